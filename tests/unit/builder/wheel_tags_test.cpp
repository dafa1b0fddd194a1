#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/packages/package_name.hpp"
#include "builder/python/collect_wheels.hpp"
#include "builder/python/tags.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

Interpreter debian_python() {
  Interpreter out;
  out.executable = "/usr/bin/python3.11";
  out.version = "3.11.2";
  out.implementation = "cpython";
  out.cache_tag = "cpython-311";
  out.soabi = "cpython-311-x86_64-linux-gnu";
  out.machine = "x86_64";
  out.glibc_major = 2;
  out.glibc_minor = 36;
  return out;
}

LockedFile locked_file(const std::string& name) {
  LockedFile out;
  out.file_name = name;
  out.url = "https://index.example/" + name;
  return out;
}

LockedPackage package(const std::vector<std::string>& wheels) {
  LockedPackage out;
  out.name = "p";
  out.version = "1";
  for (const std::string& wheel : wheels) out.wheels.push_back(locked_file(wheel));
  return out;
}

}  // namespace

TEST_CASE("tags: the list of pip 26.3 for Debian 12") {
  const std::string expected = read_file(DASH_TESTDATA "/python/tags-cp311-glibc2.36-x86_64.txt");
  CHECK(join(compatible_tags(debian_python()), "\n") + "\n" == expected);
}

TEST_CASE("tags: other interpreters") {
  Interpreter arm = debian_python();
  arm.machine = "aarch64";
  const std::string tags = join(compatible_tags(arm), " ");
  CHECK(contains(tags, "cp311-cp311-manylinux2014_aarch64"));
  CHECK_FALSE(contains(tags, "manylinux_2_16_aarch64"));
  Interpreter threaded = debian_python();
  threaded.version = "3.13.1";
  threaded.soabi = "cpython-313t-x86_64-linux-gnu";
  CHECK(compatible_tags(threaded).front() == "cp313-cp313t-linux_x86_64");
  CHECK_FALSE(contains(join(compatible_tags(threaded), " "), "-abi3-"));
  Interpreter musl = debian_python();
  musl.glibc_major = 0;
  CHECK_FALSE(contains(join(compatible_tags(musl), " "), "manylinux"));
}

TEST_CASE("tags: wheel names") {
  const auto name =
      WheelName::parse("Foo_bar-1.0-2b-cp37.cp38-abi3-manylinux1_x86_64.manylinux_2_28_x86_64.whl");
  REQUIRE(name);
  CHECK(name->name == "Foo_bar");
  CHECK(name->build == "2b");
  CHECK(name->pythons == std::vector<std::string>{"cp37", "cp38"});
  CHECK(TagRanking(debian_python()).rank(*name));
  for (const auto* bad :
       {"x.whl", "a-1-py3-none-any.zip", "a-1-b-py3-none-any.whl", "a--py3-none-any.whl", ""})
    CHECK_FALSE(WheelName::parse(bad));
  CHECK(normal_package_name("Dash_Table..X-") == "dash-table-x");
}

TEST_CASE("tags: the best wheel is chosen") {
  const Interpreter python = debian_python();
  const TagRanking ranking(python);
  auto chosen = [&](const std::vector<std::string>& wheels) {
    return choose_file(package(wheels), ranking, python).file_name;
  };
  CHECK(chosen({"p-1-py3-none-any.whl", "p-1-cp311-cp311-manylinux2014_x86_64.whl"}) ==
        "p-1-cp311-cp311-manylinux2014_x86_64.whl");
  CHECK(chosen({"p-1-cp37-abi3-manylinux1_x86_64.whl", "p-1-cp311-cp311-manylinux_2_28_x86_64.whl",
                "p-1-cp311-cp311-manylinux_2_99_x86_64.whl"}) == "p-1-cp311-cp311-manylinux_2_28_x86_64.whl");
  CHECK(chosen({"p-1-2-py3-none-any.whl", "p-1-10-py3-none-any.whl", "p-1-py3-none-any.whl"}) ==
        "p-1-10-py3-none-any.whl");
  LockedPackage sdist = package({"p-1-cp312-cp312-manylinux2014_x86_64.whl"});
  CHECK_THROWS_WITH(
      choose_file(sdist, ranking, python),
      "p 1 has no wheel for CPython 3.11 on x86_64 and no source distribution; wheels exist for cp312 "
      "(manylinux2014_x86_64)");
  sdist.sdist = locked_file("p-1.tar.gz");
  CHECK(choose_file(sdist, ranking, python).file_name == "p-1.tar.gz");
}
