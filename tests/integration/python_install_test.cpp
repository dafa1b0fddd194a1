// The python-packages step with real parts: uv, the sandbox, a package index; pip is the judge.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/python/python_packages.hpp"
#include "builder/python/uv_tool.hpp"
#include "oci/extract.hpp"
#include "tests/support/curl_package_fetcher.hpp"
#include "tests/support/host_usr_sandbox.hpp"
#include "tests/support/installed_tree.hpp"
#include "tests/support/recorded_events.hpp"
#include "tests/support/tools.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

// Settings of this machine's package index, as cli/ collects them.
HostSettings host_with_index() {
  HostSettings host = dash::testing::host_settings();
  host.environment.emplace_back("HOME=/root");
  for (const auto* name : {"PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_FIND_LINKS",
                           "PIP_CERT", "UV_DEFAULT_INDEX", "UV_INDEX_URL"})
    if (const char* value = std::getenv(name)) {
      host.index_settings[name] = value;
      host.environment.push_back(concat(name, '=', value));
    }
  return host;
}

struct Build {
  TempDirectory home = dash::testing::make_temp_directory();
  HostSettings host = host_with_index();
  Store store{home.path() / "store"};
  dash::testing::HostUsrSandbox sandbox{home.path(), store.layout(), host};
  dash::testing::CurlPackageFetcher fetcher{host};
  ThreadPool pool{2};
  dash::testing::RecordedEvents events;
  Workbench bench{store,         sandbox, fetcher, pool, events, host, oci::Compression::parse("zstd"),
                  Network::host, {}};
  PythonRequest request;

  explicit Build(const std::string& requirements) {
    request.app_directory = home.path() / "app";
    make_directories(request.app_directory);
    write_file_atomic(request.app_directory / "requirements.txt", requirements);
    const fs::path nothing = home.path() / "toolchain";
    make_directories(nothing);  // /usr of the host has a compiler
    request.toolchain = [nothing](const auto&, const auto&) { return nothing; };
  }

  PythonLayerResult install() {
    request.requirements = collect_requirements(AppDirectory(request.app_directory), "requirements.txt");
    UvTool uv(bench, {}, request.step);
    request.uv = uv.program();
    return install_python_packages(bench, request);
  }

  // The same; failures are shown with what was said before.
  PythonLayerResult run() {
    try {
      return install();
    } catch (const Error& error) {
      UNSCOPED_INFO(events.log());
      for (const auto& warning : events.warnings()) UNSCOPED_INFO(warning);
      UNSCOPED_INFO(render(error));
      throw;
    }
  }

  // The environment's directory, below `name`.
  fs::path extract(const PythonLayerResult& result, const std::string& name) {
    const fs::path root = home.path() / name;
    make_directories(root);
    for (const oci::Layer& layer : result.layers) {
      const auto blob = store.layout().open(layer.blob);
      oci::extract_layer(*blob, root, name);
    }
    return root;
  }
};

}  // namespace

TEST_CASE("what is installed is what pip installs", "[python]") {
  Build build(
      "dash\npandas\nnumpy\nplotly\ngunicorn\nflask\nrequests\nsetuptools\nwheel\njupyter-"
      "core\npyyaml\npygments\n"
      "jinja2\ncython\nsix\n");
  const auto start = std::chrono::steady_clock::now();
  const PythonLayerResult result = build.run();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%zu packages in %.1f s\n%s", result.packages.size(), seconds.count(),
              build.events.log().c_str());
  const fs::path ours = build.extract(result, "ours");

  const fs::path theirs = build.home.path() / "theirs";
  dash::testing::copy_bare_environment(ours / "app/.heroku/python", theirs / "python");
  std::string wheels;
  std::string pip;
  for (fs::recursive_directory_iterator it(build.store.packages()), end; it != end; ++it)
    if (it->path().extension() == ".whl") {
      wheels += ' ' + it->path().string();
      if (it->path().filename().string().starts_with("pip-")) pip = it->path().string();
    }
  REQUIRE(!pip.empty());
  dash::testing::run_pip(theirs, pip, "install --quiet --no-deps --no-index" + wheels);
  const std::vector<std::string> by_design = {"INSTALLER", "REQUESTED", "direct_url.json"};
  dash::testing::check_same_installation(
      dash::testing::read_installed_tree(ours / "app/.heroku/python", by_design),
      dash::testing::read_installed_tree(theirs / "python", by_design));

  SECTION("a second build runs only the resolver and gives the same layer") {
    const int before = build.sandbox.runs();
    build.request.previous_lock = result.lock.text;
    const PythonLayerResult again = build.run();
    CHECK(build.sandbox.runs() == before + 1);
    CHECK(again.layers == result.layers);
    CHECK(again.lock.text == result.lock.text);
  }
}

TEST_CASE("a C extension is built the same in different stores", "[python]") {
  auto make = [] {
    auto build = std::make_unique<Build>("./native\n");
    const fs::path project = build->request.app_directory / "native";
    make_directories(project);
    write_file_atomic(
        project / "setup.py",
        "from setuptools import setup, Extension\n"
        "setup(name='native', version='1.0', ext_modules=[Extension('native', ['native.c'])])\n");
    write_file_atomic(
        project / "native.c",
        "#include <Python.h>\n#include <assert.h>\n"
        "static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, \"native\", __FILE__, -1, NULL};\n"
        "PyMODINIT_FUNC PyInit_native(void) { assert(1); return PyModule_Create(&module); }\n");
    return build;
  };
  const auto first = make();
  const auto second = make();
  const PythonLayerResult one = first->run();
  const PythonLayerResult two = second->run();
  CHECK(one.compiled == PythonLayerResult::Compiled::yes);
  CHECK(one.layers == two.layers);
  CHECK_FALSE(fs::exists(first->request.app_directory / "native/native.egg-info"));
  const std::string site =
      "app/.heroku/python/lib/python3.11/site-packages/native-1.0.dist-info/direct_url.json";
  CHECK(read_file(first->extract(one, "tree") / site) == R"({"dir_info": {}, "url": "file:///app/native"})");
}

TEST_CASE("failures of the resolver are explained", "[python]") {
  auto failure = [](const std::string& requirements) {
    Build build(requirements);
    try {
      build.install();
    } catch (const Error& error) {
      return std::pair(error.code(), error.message());
    }
    FAIL("no error");
    return std::pair(ErrorCode::internal, std::string());
  };
  const auto unknown = failure("no-such-package-of-dash-build\n");
  CHECK(unknown.first == ErrorCode::invalid_input);
  CHECK(unknown.second == "requirements.txt:1: no package index has no-such-package-of-dash-build");
  const auto conflict = failure("dash==2.0\nflask==0.5\n");
  CHECK(conflict.first == ErrorCode::invalid_input);
  CHECK(contains(conflict.second, "flask==0.5 (requirements.txt:2)"));
  CHECK(contains(conflict.second, "(requirements.txt:1) needs flask>="));
  const auto line = failure("dash==1.x\n");
  CHECK(line.first == ErrorCode::invalid_input);
  CHECK(line.second == "requirements.txt:1: dash==1.x is not a requirement that can be read");
  const auto hash = failure("six==1.17.0 --hash=sha256:" + std::string(64, '0') + "\n");
  CHECK(hash.first == ErrorCode::corrupt);
  CHECK(
      hash.second.starts_with("requirements.txt:1: six-1.17.0-py2.py3-none-any.whl is not the file that was "
                              "pinned: expected sha256:0000"));
}
