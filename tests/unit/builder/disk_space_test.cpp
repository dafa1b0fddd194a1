#include "builder/disk_space.hpp"

#include "base/text.hpp"
#include "tests/support/error_of.hpp"

#include <limits>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;

namespace {

// "12.3 GB" and the like, as the disk of this machine has it.
std::string without_figure(std::string text) {
  const auto has = text.find(" has ") + 5;
  return text.replace(has, text.find(" left") - has, "N");
}

}  // namespace

TEST_CASE("space that is there is no error") {
  CHECK(error_of([] { require_space("/tmp", {1, 1}, "it"); }) == "no error");
  CHECK(free_space("/tmp").bytes > 0);
  CHECK(free_space("/tmp").inodes > 0);
  CHECK_FALSE(is_full("/tmp"));
}

TEST_CASE("space that is not there") {
  const std::string hint =
      " | free space (or inodes) on that file system; for the store, 'dash-build gc' frees some, and "
      "DASH_BUILD_HOME sets another disk";
  constexpr std::uint64_t kExabyte = 1'000'000'000'000'000'000;
  CHECK(without_figure(error_of([] {
          require_space("/tmp", {kExabyte, 1}, "the step");
        })) == concat("no_space: /tmp has N left, but the step needs about ", human_size(kExabyte), hint));
  if (free_space("/tmp").inodes != std::numeric_limits<std::uint64_t>::max())
    CHECK(without_figure(error_of([] {
            require_space("/tmp", {1, kExabyte}, "it");
          })) == concat("no_space: /tmp has N left, but it needs about ", kExabyte, hint));
  CHECK(error_of([] { free_space("/no/such/place"); }) ==
        "not_found: cannot look at the file system of /no/such/place: No such file or directory | ");
}
