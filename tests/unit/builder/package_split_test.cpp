#include "builder/system/package_split.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/layer_annotations.hpp"
#include "builder/system/system_layer.hpp"
#include "oci/extract.hpp"
#include "oci/tree.hpp"
#include "tests/support/test_bench.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <boost/filesystem/directory.hpp>
#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

using namespace dash;
using namespace dash::builder;

namespace {

struct Installed {
  std::string id;
  std::string version = "1.0";
  std::vector<std::string> list;  // with "/" in front, as dpkg writes it
};

// A root file system below, and what an installation changed in it.
struct Machine : dash::testing::TestBench {
  std::string diversions;
  LayerLimits limits{.layers = 20};
  fs::path upper;

  void file(const fs::path& tree, const std::string& path, std::string_view content, unsigned mode = 0644) {
    make_directories((tree / path).parent_path());
    write_file(tree / path, content, mode);
  }
  fs::path tree(const std::string& name) {
    make_directories(home.path() / name);
    return home.path() / name;
  }
  void opaque(const std::string& path) {
    make_directories(upper / path);
    REQUIRE(::setxattr((upper / path).c_str(), "trusted.overlay.opaque", "y", 1, 0) == 0);
  }
  void whiteout(const std::string& path) {
    REQUIRE(::mknod((upper / path).c_str(), S_IFCHR, makedev(0, 0)) == 0);
  }

  // dpkg's database of these packages.
  void database(const std::vector<Installed>& packages) {
    std::string status;
    for (const auto& package : packages) {
      std::string list = "/.\n";
      for (const auto& path : package.list) list += path + '\n';
      file(upper, concat("var/lib/dpkg/info/", package.id, ".list"), list);
      file(upper, concat("var/lib/dpkg/info/", package.id, ".md5sums"), "sums of " + package.id);
      status += concat("Package: ", package.id.substr(0, package.id.find(':')),
                       "\nArchitecture: amd64\nVersion: ", package.version, "\n\n");
    }
    file(upper, "var/lib/dpkg/status", status);
  }

  oci::Layer layer_of(const fs::path& root) {
    oci::LayerWriter writer(bench.layer_settings());
    oci::add_tree(writer, root, {});
    return writer.finish();
  }
  std::vector<oci::Layer> split(const std::vector<oci::Layer>& below, Reuse reuse = Reuse::yes) {
    return change_to_package_layers(bench, upper, {"apt", below, diversions, limits, reuse});
  }
  fs::path unpack(const std::vector<oci::Layer>& layers, const std::string& name) {
    const auto root = tree(name);
    for (const auto& layer : layers) oci::extract_layer(*store.layout().open(layer.blob), root, "layer");
    return root;
  }
};

// Everything that can be seen of a tree.
std::map<std::string, std::string> look(const fs::path& root) {
  std::map<std::string, std::string> out;
  std::map<ino_t, std::set<std::string>> links;
  for (fs::recursive_directory_iterator file(root), end; file != end; ++file) {
    const auto path = file->path().lexically_relative(root).string();
    struct stat info {};
    REQUIRE(::lstat(file->path().c_str(), &info) == 0);
    auto& seen = out[path];
    seen =
        concat(info.st_mode, ' ', info.st_uid, ':', info.st_gid, ' ', info.st_rdev, ' ', info.st_mtime, ' ');
    if (S_ISREG(info.st_mode)) {
      seen += read_file(file->path());
      links[info.st_ino].insert(path);
    }
    if (S_ISLNK(info.st_mode)) seen += fs::read_symlink(file->path()).string();
  }
  for (const auto& [inode, names] : links)
    for (const auto& name : names) out[name] += concat(" = ", *names.begin());
  return out;
}

std::set<std::string> paths(const fs::path& root) {
  std::set<std::string> out;
  for (const auto& [path, seen] : look(root)) out.insert(path);
  return out;
}

std::string big(char letter) {
  return std::string(std::size_t{600} << 10, letter);
}

std::string packages_of(const oci::Layer& layer) {
  const auto found = layer.blob.annotations.find(kPackagesAnnotation);
  return found == layer.blob.annotations.end() ? "" : found->second;
}

}  // namespace

TEST_CASE("package layers come to the same root file system as one layer") {
  Machine machine;
  const auto base = machine.tree("base");
  machine.file(base, "usr/lib/old.so", "old");
  machine.file(base, "usr/share/replaced/from-base", "gone");
  machine.file(base, "usr/share/emptied/from-base", "gone");
  machine.file(base, "usr/share/turns/into-a-file", "gone");
  machine.file(base, "usr/bin/removed", "gone");
  machine.file(base, "usr/bin/tool", "the base's");
  machine.file(base, "etc/changed", "before");
  machine.file(base, "usr/share/doc/kept/copyright", "stays");
  fs::create_symlink("usr/lib", base / "lib");
  const auto below = machine.layer_of(base);

  auto& upper = machine.upper = machine.tree("upper");
  machine.file(upper, "usr/lib/libone.so.1", big('1'), 0755);
  fs::create_symlink("libone.so.1", upper / "usr/lib/libone.so");
  machine.file(upper, "usr/lib/old.so", "new");
  machine.file(upper, "usr/bin/tool", "two's", 04755);
  machine.file(upper, "usr/bin/tool.distrib", "one's");
  machine.file(upper, "usr/share/python3/mod.py", "x = 1\n");
  machine.file(upper, "usr/share/python3/__pycache__/mod.cpython-311.pyc", "code");
  machine.opaque("usr/share/python3");  // new: hides nothing
  machine.file(upper, "usr/share/python3/other.py", "y = 1\n");
  machine.file(upper, "usr/share/replaced/of-one", "new");
  machine.opaque("usr/share/replaced");  // removed and made again
  machine.opaque("usr/share/emptied");
  machine.file(upper, "usr/share/turns", "a file now");
  machine.whiteout("usr/bin/removed");
  machine.file(upper, "etc/changed", "after");
  machine.file(upper, "etc/ld.so.cache", "cache");
  machine.file(upper, "tmp/left-behind", "noise");
  machine.file(upper, "usr/share/one/a", "linked");
  fs::create_hard_link(upper / "usr/share/one/a", upper / "usr/share/one/b");
  machine.file(upper, "usr/share/two/c", "linked across");
  fs::create_hard_link(upper / "usr/share/two/c", upper / "usr/share/one/c");
  make_directories(upper / "var/lib/one/empty");
  REQUIRE(::chown((upper / "var/lib/one").c_str(), 101, 102) == 0);
  REQUIRE(::chmod((upper / "var/lib/one").c_str(), 02750) == 0);
  machine.file(upper, "var/lib/two-owners", "of both");
  machine.diversions = "/usr/bin/tool\n/usr/bin/tool.distrib\ntwo\n";
  machine.database(
      {{"one:amd64",
        "1:2.0-1",
        {"/lib", "/lib/libone.so.1", "/lib/libone.so", "/usr/bin/tool", "/usr/share", "/usr/share/python3",
         "/usr/share/python3/mod.py", "/usr/share/replaced/of-one", "/usr/share/one", "/usr/share/one/a",
         "/usr/share/one/b", "/usr/share/one/c", "/var/lib/one", "/var/lib/one/empty", "/var/lib/two-owners",
         "/not/unpacked"}},
       {"two",
        "3.0",
        {"/usr/bin/tool", "/usr/share/python3/other.py", "/usr/share/two/c", "/var/lib/two-owners"}}});

  const auto whole = change_to_layer(machine.bench, upper);
  const auto parts = machine.split({below});
  REQUIRE(parts.size() == 3);
  CHECK(packages_of(parts[0]) == "one 1:2.0-1");
  CHECK(packages_of(parts[1]) == "two 3.0");
  CHECK(packages_of(parts[2]).empty());
  CHECK(look(machine.unpack({below, parts[0], parts[1], parts[2]}, "stacked")) ==
        look(machine.unpack({below, whole}, "expected")));

  CHECK(paths(machine.unpack({parts[0]}, "one")) ==
        std::set<std::string>{"usr",
                              "usr/bin",
                              "usr/bin/tool.distrib",
                              "usr/lib",
                              "usr/lib/libone.so",
                              "usr/lib/libone.so.1",
                              "usr/share",
                              "usr/share/one",
                              "usr/share/one/a",
                              "usr/share/one/b",
                              "usr/share/python3",
                              "usr/share/python3/__pycache__",
                              "usr/share/python3/__pycache__/mod.cpython-311.pyc",
                              "usr/share/python3/mod.py",
                              "var",
                              "var/lib",
                              "var/lib/dpkg",
                              "var/lib/dpkg/info",
                              "var/lib/dpkg/info/one:amd64.list",
                              "var/lib/dpkg/info/one:amd64.md5sums",
                              "var/lib/one",
                              "var/lib/one/empty"});
  CHECK(paths(machine.unpack({parts[1]}, "two")).contains("usr/bin/tool"));
}

TEST_CASE("what a package brings is a layer that other packages do not change") {
  const Installed heavy{"heavy", "1.0", {"/usr/share", "/usr/share/heavy", "/usr/share/heavy/data"}};
  const Installed other{
      "other", "1.0", {"/usr/share", "/usr/share/man", "/usr/share/heavy", "/usr/share/other"}};
  const auto install = [&](Machine& machine, const std::vector<Installed>& packages) {
    const auto base = machine.tree("base");
    make_directories(base / "usr/share/man");
    machine.upper = machine.tree("upper");
    machine.file(machine.upper, "usr/share/heavy/data", big('h'));
    if (packages.size() > 1) {
      machine.file(machine.upper, "usr/share/other", big('o'));
      machine.file(machine.upper, "usr/share/heavy/plugin", "of nobody");
    }
    machine.database(packages);
    return std::vector<oci::Layer>{machine.layer_of(base)};
  };
  Machine one;
  const auto alone = one.split(install(one, {heavy}));
  Machine two;
  const auto below = install(two, {heavy, other});
  const auto both = two.split(below);
  REQUIRE(alone.size() == 2);
  REQUIRE(both.size() == 3);
  CHECK(std::ranges::count(both, alone[0]) == 1);
  CHECK(std::ranges::count(both, alone[1]) == 0);

  SECTION("a layer that is recorded is not written again, unless it is to be") {
    CHECK(two.split(below) == both);
    CHECK(contains(two.events.log(), "2 packages in 2 layers, 2 of them known"));
    CHECK(two.split(below, Reuse::no) == both);
  }
  SECTION("a record serves only what is equal") {
    const auto file = two.upper / "usr/share/heavy/data";
    SECTION("content") {
      two.file(two.upper, "usr/share/heavy/data", big('x'));
    }
    SECTION("mode") {
      REQUIRE(::chmod(file.c_str(), 0755) == 0);
    }
    SECTION("owner") {
      REQUIRE(::chown(file.c_str(), 7, 0) == 0);
    }
    SECTION("mode of a directory") {
      REQUIRE(::chmod(file.parent_path().c_str(), 0700) == 0);
    }
    SECTION("attribute") {
      REQUIRE(::setxattr(file.c_str(), "user.note", "x", 1, 0) == 0);
    }
    SECTION("link") {
      fs::create_hard_link(file, two.upper / "usr/share/heavy/link");
    }
    const auto changed = two.split(below);
    CHECK(std::ranges::count(changed, alone[0]) == 0);
    CHECK(changed == two.split(below, Reuse::no));
  }
  SECTION("all in one") {
    two.limits.layers = 1;
    const auto few = two.split(below);
    REQUIRE(few.size() == 2);
    CHECK(packages_of(few[0]) == "heavy 1.0, other 1.0");
  }
}

TEST_CASE("a change without packages is one layer") {
  Machine machine;
  machine.upper = machine.tree("upper");
  machine.file(machine.upper, "etc/apt/apt.conf.d/99dokku-apt", "x");
  const auto whole = change_to_layer(machine.bench, machine.upper);
  CHECK(machine.split({}) == std::vector{whole});
}
