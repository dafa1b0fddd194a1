#include "builder/python/package_installer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/collect_garbage.hpp"
#include "builder/layer_annotations.hpp"
#include "oci/extract.hpp"
#include "tests/support/memory_fetcher.hpp"
#include "tests/support/test_bench.hpp"
#include "tests/support/zip_fixture.hpp"

#include <map>
#include <random>
#include <set>

#include <boost/filesystem/directory.hpp>
#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

using Versions = std::map<std::string, std::string>;  // by name of the package

std::string random_text(const std::string& seed, std::size_t size) {
  std::mt19937 random(std::hash<std::string>{}(seed));
  std::string out(size, ' ');
  for (char& c : out) c = static_cast<char>('!' + random() % 90);
  return out;
}

struct Index {
  dash::testing::MemoryFetcher fetcher;
  std::size_t size = 40'000;  // of a package's module

  // A lock of these packages; their wheels can be fetched.
  Lock lock(const Versions& versions) {
    Lock out;
    for (const auto& [name, version] : versions) {
      const std::string info = concat(name, '-', version, ".dist-info");
      std::vector<dash::testing::ZipFixtureEntry> files{
          {.path = name + ".py", .content = random_text(name + version, size)},
          {.path = info + "/METADATA", .content = concat("Name: ", name, "\nVersion: ", version, '\n')},
          {.path = info + "/WHEEL", .content = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"},
          {.path = info + "/RECORD", .content = ""}};
      const std::string bytes = dash::testing::zip_bytes(files);
      LockedPackage package;
      package.name = name;
      package.version = version;
      LockedFile file;
      file.file_name = concat(name, '-', version, "-py3-none-any.whl");
      file.url = "https://index.example/" + file.file_name;
      file.sha256 = sha256(bytes);
      fetcher.files[file.url] = bytes;
      package.wheels.push_back(std::move(file));
      out.packages.push_back(std::move(package));
    }
    return out;
  }
};

struct Machine : dash::testing::TestBench {
  explicit Machine(Index& index) : TestBench(index.fetcher), index_(index) {
    context.step = "python-packages";
    context.interpreter.version = "3.11.2";
    context.interpreter.implementation = "cpython";
    context.interpreter.cache_tag = "cpython-311";
    context.interpreter.executable = "/usr/bin/python3.11";
    context.interpreter.magic = "a70d0d0a";
    context.interpreter.machine = "x86_64";
  }

  InstalledPackages install(const Versions& versions, Reuse reuse = Reuse::yes) {
    index_.fetcher.fetched.clear();
    const Lock lock = index_.lock(versions);
    WheelCollector wheels(bench, lock, context);
    return install_packages(bench, lock, wheels,
                            {.step = context.step,
                             .root = {},
                             .scheme = {kPythonPrefix, context.interpreter},
                             .requested = requested,
                             .pyc_files = PycFiles::omit,
                             .limits = limits,
                             .reuse = reuse});
  }

  fs::path extract(const InstalledPackages& installed, const std::string& name) {
    return TestBench::extract(installed.layers, name) / "app/.heroku/python/lib/python3.11/site-packages";
  }

  Index& index_;
  BuildContext context;
  std::vector<RequestedPackage> requested;
  LayerLimits limits;
};

Versions packages(int count) {
  Versions out;
  for (int i = 0; i < count; ++i) out[concat("package", i)] = "1.0";
  return out;
}

// Bytes of the layers that `before` does not have.
std::uint64_t new_bytes(const InstalledPackages& before, const InstalledPackages& after) {
  std::set<std::string> known;
  for (const auto& layer : before.layers) known.insert(layer.blob.digest.to_string());
  std::uint64_t out = 0;
  for (const auto& layer : after.layers)
    if (!known.contains(layer.blob.digest.to_string())) out += layer.blob.size;
  return out;
}

}  // namespace

TEST_CASE("installer: one changed package is fetched and sent, no other") {
  Index index;
  Machine machine(index);
  auto versions = packages(30);
  const auto first = machine.install(versions);
  CHECK(index.fetcher.fetched.size() == 30);
  CHECK(first.packages.size() == 30);
  CHECK(machine.install(versions).layers == first.layers);
  CHECK(index.fetcher.fetched.empty());

  versions["package7"] = "1.1";
  const auto second = machine.install(versions);
  CHECK(index.fetcher.fetched == std::vector<std::string>{"package7-1.1-py3-none-any.whl"});
  CHECK(second.layers.size() == first.layers.size());
  CHECK(new_bytes(first, second) > 0);
  CHECK(new_bytes(first, second) < 40'000 + 256 * 1024);
  const fs::path site = machine.extract(second, "second");
  CHECK(fs::exists(site / "package7-1.1.dist-info/RECORD"));
  CHECK_FALSE(fs::exists(site / "package7-1.0.dist-info"));

  versions.erase("package7");
  const auto third = machine.install(versions);
  CHECK(index.fetcher.fetched.empty());
  CHECK_FALSE(fs::exists(machine.extract(third, "third") / "package7.py"));

  // Another store, and the same one without its records, come to the same layers.
  Machine other(index);
  CHECK(other.install(versions).layers == third.layers);
  CHECK(machine.install(versions, Reuse::no).layers == third.layers);
}

TEST_CASE("installer: after random changes the layers are those of an empty store") {
  Index index;
  index.size = 3000;
  Machine machine(index);
  machine.limits.layers = 8;
  std::mt19937 random(3);
  auto versions = packages(40);
  for (int i = 0; i < 25; ++i) {
    const auto name = concat("package", random() % 50);
    if (random() % 3 == 0)
      versions.erase(name);
    else
      versions[name] = concat("1.", random() % 5);
    index.size = 3000;
    const auto incremental = machine.install(versions);
    Machine empty(index);
    empty.limits = machine.limits;
    CHECK(empty.install(versions).layers == incremental.layers);
  }
}

TEST_CASE("installer: a heavy package's layer is the same in every app") {
  Index index;
  index.size = 300'000;
  Machine machine(index);
  const auto one = machine.install({{"numpy", "1"}, {"six", "1"}});
  const auto two = machine.install({{"numpy", "1"}, {"zipp", "1"}});
  CHECK(index.fetcher.fetched == std::vector<std::string>{"zipp-1-py3-none-any.whl"});
  const auto layer_of = [](const InstalledPackages& installed, const std::string& packages) {
    for (const auto& layer : installed.layers)
      if (const auto found = layer.blob.annotations.find(kPackagesAnnotation);
          found != layer.blob.annotations.end() && found->second == packages)
        return layer.blob.digest.to_string();
    return std::string("none");
  };
  CHECK(layer_of(one, "numpy 1") != "none");
  CHECK(layer_of(one, "numpy 1") == layer_of(two, "numpy 1"));

  SECTION("but not where it is asked for by name, which is a file") {
    machine.requested = {RequestedPackage{.name = "numpy", .place = {}}};
    CHECK(layer_of(machine.install({{"numpy", "1"}, {"zipp", "1"}}), "numpy 1") != layer_of(two, "numpy 1"));
    CHECK(index.fetcher.fetched.empty());
  }
  SECTION("nor with another compression") {
    machine.bench.compression = oci::Compression::parse("gzip");
    CHECK(layer_of(machine.install({{"numpy", "1"}, {"zipp", "1"}}), "numpy 1") != layer_of(two, "numpy 1"));
  }
}

TEST_CASE("installer: what the store lost is made again") {
  Index index;
  Machine machine(index);
  const auto versions = packages(12);
  const auto first = machine.install(versions);
  const fs::path records = machine.store.records();
  const auto count = [&](const char* directory) {
    return std::distance(fs::directory_iterator(records / directory), fs::directory_iterator());
  };
  CHECK(count("packages") == 12);
  CHECK(count("layers") == static_cast<long>(first.layers.size()) - 1);

  SECTION("a layer: its packages alone are written, from the wheels that are kept") {
    fs::remove(machine.store.layout().blob_path(first.layers.back().blob.digest));
    CHECK(machine.install(versions).layers == first.layers);
    CHECK(index.fetcher.fetched.empty());
  }
  SECTION("a layer and all wheels: the layer's wheels are fetched") {
    fs::remove(machine.store.layout().blob_path(first.layers.back().blob.digest));
    remove_tree(machine.store.packages());
    CHECK(machine.install(versions).layers == first.layers);
    CHECK(index.fetcher.fetched.size() >= 1);
    CHECK(index.fetcher.fetched.size() < 12);
  }
  SECTION("records that are damaged") {
    for (const char* directory : {"packages", "layers"})
      for (const auto& file : fs::directory_iterator(records / directory))
        write_file_atomic(file.path(), R"({"version": 1, "files": )");
    CHECK(machine.install(versions).layers == first.layers);
    CHECK(machine.install(versions).layers == first.layers);
  }
  SECTION("garbage: no image has the layers") {
    const auto removed = collect_garbage(machine.store, {}, {});
    REQUIRE(removed);
    CHECK(count("packages") == 0);
    CHECK(count("layers") == 0);
    CHECK(machine.install(versions).layers == first.layers);
  }
}

TEST_CASE("installer: offline only what has to be fetched is missed") {
  Index index;
  Machine machine(index);
  auto versions = packages(3);
  const auto first = machine.install(versions);
  machine.bench.network = Network::none;
  CHECK(machine.install(versions).layers == first.layers);
  versions["package1"] = "2.0";
  CHECK_THROWS_WITH(machine.install(versions),
                    "package1-2.0-py3-none-any.whl is not in the store, and the build is offline");
}

TEST_CASE("the list of a layer's packages is sorted and limited") {
  CHECK(package_list({}).empty());
  CHECK(package_list({"b 2", "a 1"}) == "a 1, b 2");
  std::vector<std::string> many;
  for (int i = 0; i < 1000; ++i) many.push_back(concat("some-package-", i, " 1.2.3"));
  const auto text = package_list(many);
  CHECK(text.size() < 1100);
  CHECK(text.ends_with(" more"));
}
