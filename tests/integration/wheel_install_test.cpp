// Native installation of given wheels, without a resolver; pip is the judge.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/arrange_packages.hpp"
#include "builder/python/compile_wheel.hpp"
#include "builder/python/direct_url.hpp"
#include "builder/python/environment_layer.hpp"
#include "builder/python/install_order.hpp"
#include "builder/python/probe.hpp"
#include "builder/python/wheel_facts.hpp"
#include "oci/extract.hpp"
#include "tests/support/host_usr_sandbox.hpp"
#include "tests/support/installed_tree.hpp"
#include "tests/support/no_fetcher.hpp"
#include "tests/support/published_wheels.hpp"
#include "tests/support/recorded_events.hpp"

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::run_pip;

namespace {

constexpr const char* kStep = "python-packages";
constexpr const char* kPrefix = "app/.heroku/python";

std::vector<fs::path> wheels_in(const fs::path& directory) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".whl") out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

using dash::testing::published_wheels;

fs::path published_wheel(const std::string& name) {
  for (const fs::path& wheel : wheels_in(published_wheels()))
    if (wheel.filename().string().starts_with(name + '-')) return wheel;
  throw std::runtime_error("no wheel of " + name);
}

struct Installer {
  TempDirectory home = dash::testing::make_temp_directory();
  HostSettings host = dash::testing::host_settings();
  Store store{home.path() / "store"};
  dash::testing::HostUsrSandbox sandbox{home.path(), store.layout(), host};
  dash::testing::NoFetcher fetcher;
  ThreadPool pool{2};
  dash::testing::RecordedEvents events;
  Workbench bench{store,         sandbox, fetcher, pool, events, host, oci::Compression::parse("zstd"),
                  Network::none, {}};
  InstallScheme scheme{kPythonPrefix, probe_interpreter(bench, {}, kStep)};
  // What pip puts into direct_url.json: nothing for wheels of an index, the place of those named by path.
  enum class DirectUrl { none, path };

  InstalledDistribution plan(const fs::path& path, DirectUrl direct_url = DirectUrl::none) {
    FileSource content(path);
    const Sha256 hash = sha256(content);
    const fs::path kept = store.packages() / to_hex(hash) / path.filename();
    make_directories(kept.parent_path());
    fs::copy_file(path, kept, fs::copy_options::overwrite_existing);
    InstallOptions options{scheme, InstallOptions::Requested::yes, ""};
    if (direct_url == DirectUrl::path) {
      LockedPackage package;
      package.archive.emplace();
      package.archive->path = path.string();
      package.archive->sha256 = hash;
      options.direct_url = direct_url_json(package);
    }
    return plan_installation(std::make_shared<const Wheel>(kept), hash, options);
  }

  // The directory above the environment, below `name`.
  fs::path install(const std::vector<fs::path>& wheels, const std::string& name,
                   DirectUrl direct_url = DirectUrl::none) {
    std::vector<InstalledDistribution> planned;
    for (const fs::path& wheel : wheels) planned.push_back(plan(wheel, direct_url));
    std::vector<PackageFacts> facts;
    for (const InstalledDistribution& distribution : planned)
      facts.push_back(package_facts(distribution, PycFiles::compile));
    const Arrangement arrangement =
        arrange_packages(facts, install_order(facts), environment_files(scheme), {});
    for (const std::string& warning : arrangement.warnings) bench.warn(kStep, warning);
    BytecodeCompiler compiler(bench, kStep, compiler_settings(bench, {}, scheme));
    for (const InstalledDistribution& distribution : planned)
      compiler.add(compile_request(distribution, scheme));
    compiler.close();
    std::vector<PackageGroup> groups;
    for (const auto& packages : arrangement.layers) {
      groups.emplace_back();
      for (const std::size_t i : packages) groups.back().push_back(&planned[i]);
    }
    std::vector<std::optional<oci::Layer>> layers(groups.size() + 1);
    layers[0] = write_environment_layer(bench, scheme);
    write_package_layers(
        bench, scheme, groups,
        [&](const InstalledDistribution& distribution) {
          return compiler.get(bytecode_key(distribution, scheme));
        },
        [&](std::size_t group, const oci::Layer& layer) { layers[group + 1] = layer; });
    compiler.finish();
    std::printf("%zu layers\n", layers.size());
    const fs::path root = home.path() / name;
    make_directories(root);
    for (const auto& layer : layers) oci::extract_layer(*store.layout().open(layer.value().blob), root, name);
    return (root / kPrefix).parent_path();
  }

  // The same for pip, beside what `install` made.
  fs::path bare(const fs::path& ours, const std::string& name) {
    const fs::path theirs = home.path() / name;
    dash::testing::copy_bare_environment(ours / "python", theirs / "python");
    return theirs;
  }
};

// INSTALLER names who installed.
dash::testing::InstalledTree tree_of(const fs::path& heroku) {
  return dash::testing::read_installed_tree(heroku / "python", {"INSTALLER"});
}

fs::path odd_wheels(const fs::path& home) {
  const fs::path out = home / "odd";
  dash::testing::run_tool({"python3", concat(DASH_TESTS, "/integration/odd_wheels.py"), out.string()});
  return out;
}

std::string joined(const std::vector<fs::path>& paths) {
  std::string out;
  for (const fs::path& path : paths) out += concat(" '", path.string(), '\'');
  return out;
}

}  // namespace

TEST_CASE("published wheels are installed as pip does it", "[python][wheels]") {
  const std::vector<fs::path> wheels = wheels_in(published_wheels());
  REQUIRE(wheels.size() >= 200);
  Installer installer;
  auto start = std::chrono::steady_clock::now();
  auto seconds = [&start] {
    const std::chrono::duration<double> out = std::chrono::steady_clock::now() - start;
    start = std::chrono::steady_clock::now();
    return out.count();
  };
  const fs::path ours = installer.install(wheels, "ours");
  const double ours_seconds = seconds();
  CHECK(installer.events.warnings().empty());
  const fs::path theirs = installer.bare(ours, "theirs");
  run_pip(theirs, published_wheel("pip"),
          concat("install --quiet --no-deps --no-index --find-links '", published_wheels().string(),
                 "' --requirement '", DASH_TESTS, "/integration/wheels.txt'"));
  const double pip_seconds = seconds();
  // pip imports no modules while it installs, so this file's codec is not there when it compiles.
  const std::vector<std::string> by_design = {
      "INSTALLER",
      concat("test_func_inspect_special_encoding.", installer.scheme.interpreter.cache_tag, ".pyc")};
  const auto found = dash::testing::read_installed_tree(ours / "python", by_design);
  dash::testing::check_same_installation(found,
                                         dash::testing::read_installed_tree(theirs / "python", by_design));
  std::printf("%zu wheels, %zu paths: installed in %.1f s, by pip in %.1f s, compared in %.1f s\n",
              wheels.size(), found.size(), ours_seconds, pip_seconds, seconds());
}

TEST_CASE("odd wheels are installed as pip does it", "[python][wheels]") {
  Installer installer;
  const auto wheels = wheels_in(odd_wheels(installer.home.path()) / "accepted");
  const fs::path ours = installer.install(wheels, "ours", Installer::DirectUrl::path);
  CHECK(installer.events.warnings().empty());
  const fs::path theirs = installer.bare(ours, "theirs");
  run_pip(theirs, published_wheel("pip"), "install --quiet --no-deps --no-index" + joined(wheels));
  dash::testing::check_same_installation(tree_of(ours), tree_of(theirs));
}

TEST_CASE("where wheels have one file the last in pip's order wins, and it is said", "[python][wheels]") {
  Installer installer;
  const auto wheels = wheels_in(odd_wheels(installer.home.path()) / "clashing");
  REQUIRE(wheels.size() == 4);
  const fs::path ours = installer.install(wheels, "ours", Installer::DirectUrl::path);
  const std::string prefix = concat("/", kPrefix);
  const std::string site = prefix + "/lib/python3.11/site-packages";
  auto replaced = [](const std::string& path, const std::string& loser, const std::string& winner) {
    return concat(path, " of ", loser, " is replaced by the one of ", winner);
  };
  std::vector<std::string> warnings = installer.events.warnings();
  std::ranges::sort(warnings);
  const std::string shared = site + "/clash/__init__.py";
  CHECK(warnings == std::vector<std::string>{
                        replaced(prefix + "/bin/clash-run", "clash_b 1.0", "clash_a 1.0"),
                        replaced(shared, "clash_a 1.0", "clash_needs_a 1.0"),
                        replaced(shared, "clash_b 1.0", "clash_a 1.0"),
                        replaced(shared, "clash_c 1.0", "clash_b 1.0"),
                        replaced(prefix + "/share/clash.txt", "clash_b 1.0", "clash_a 1.0"),
                    });
  // With the dependencies, so that pip sorts by them.
  const fs::path theirs = installer.bare(ours, "theirs");
  run_pip(theirs, published_wheel("pip"), "install --quiet --no-index" + joined(wheels));
  dash::testing::check_same_installation(tree_of(ours), tree_of(theirs));
}

TEST_CASE("pip lists and removes what was installed natively", "[python][wheels]") {
  Installer installer;
  const std::vector<std::string> names = {"flask", "greenlet", "docutils", "pyyaml", "six", "notebook_shim"};
  std::vector<fs::path> wheels = {published_wheel("pip")};
  for (const std::string& name : names) wheels.push_back(published_wheel(name));
  const fs::path bare = installer.install({published_wheel("pip")}, "bare");
  const fs::path ours = installer.install(wheels, "ours");
  const std::string listed = run_pip(ours, published_wheel("pip"), "list --format freeze");
  for (const auto* name : {"Flask", "greenlet", "docutils", "PyYAML", "six", "notebook_shim", "pip"})
    CHECK(contains(to_lower(listed), to_lower(name) + "=="));
  // With the pip that is in the environment.
  dash::testing::run_tool(
      {"unshare", "--mount", "sh", "-euc",
       concat("mount --bind '", ours.string(), "' /app/.heroku; PYTHONDONTWRITEBYTECODE=1 ",
              "/app/.heroku/python/bin/python -m pip uninstall --yes --quiet --root-user-action=ignore ",
              join(names, " "))});
  // Nothing but directories that pip does not own is left: no .pyc, no script, no header.
  auto left = tree_of(ours);
  std::erase_if(left, [](const auto& node) { return S_ISDIR(node.second.mode); });
  auto expected = tree_of(bare);
  std::erase_if(expected, [](const auto& node) { return S_ISDIR(node.second.mode); });
  dash::testing::check_same_installation(left, expected);
}

TEST_CASE("broken wheels are refused with the reason", "[python][wheels]") {
  Installer installer;
  const fs::path refused = odd_wheels(installer.home.path()) / "refused";
  std::string found;
  for (const auto& entry : fs::directory_iterator(refused)) {
    const std::string name = entry.path().filename().string();
    try {
      installer.install(wheels_in(entry.path()), "tree-" + name);
      found += name + " | installed\n";
    } catch (const Error& error) {
      CHECK_FALSE(error.hint().empty());
      found += concat(name, " | ", to_string(error.code()), " | ", error.message(), '\n');
    }
  }
  std::vector<std::string_view> lines = split_lines(found);
  std::ranges::sort(lines);
  std::string sorted;
  for (const std::string_view line : lines) sorted += concat(line, '\n');
  CHECK(sorted == read_file(concat(DASH_TESTS, "/integration/refused_wheels.txt")));

  // Everything else pip refuses too, where it can be asked.
  const std::vector<std::string> pip_accepts = {"code-page", "hash-mismatch", "method-bzip2",
                                                "ratio",     "twice",         "zero-byte"};
  const std::string pip = published_wheel("pip").string();
  const std::string statuses = dash::testing::run_script(concat(
      "cd '", refused.string(), "'; ls | xargs -P 2 -I{} sh -c 'python3 ", pip,
      "/pip install --quiet --no-deps --no-index --no-compile --target ../target-{} {}/*.whl >/dev/null "
      "2>&1 && echo {} || true'"));
  std::vector<std::string> accepted;
  for (const std::string_view line : split_lines(statuses)) accepted.emplace_back(line);
  std::ranges::sort(accepted);
  CHECK(accepted == pip_accepts);
}
