#include "builder/eviction.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "builder/collect_garbage.hpp"
#include "builder/sandbox/snapshots.hpp"
#include "builder/step_record.hpp"
#include "oci/layer_writer.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/tools.hpp"

#include <algorithm>

#include <boost/filesystem/operations.hpp>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;
using Kind = StoreItem::Kind;

namespace {

constexpr std::uint64_t kSize = std::uint64_t{100} << 10;

struct Home {
  TempDirectory directory = dash::testing::make_temp_directory();
  fs::path path = directory.path() / "store";
  Store store{path};
  ThreadPool pool{1};

  // As if used so many hours ago.
  static void age(const fs::path& file, int hours) {
    const timespec then{::time(nullptr) - std::time_t{3600} * hours, 0};
    const timespec times[] = {then, then};
    REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
  }
  fs::path package(char letter, int hours) {
    const auto item = store.packages() / std::string(64, letter);
    make_directories(item);
    write_file(item / "x.whl", std::string(kSize, letter));
    age(item, hours);
    return item;
  }
  oci::Layer layer(const std::string& content, int hours) {
    oci::LayerWriter writer({store.layout(), pool, oci::Compression::parse("none")});
    oci::TarEntry entry;
    entry.path = "file";
    entry.size = content.size();
    writer.add(entry, as_bytes(content));
    const auto out = writer.finish();
    if (hours > 0) age(store.layout().blob_path(out.blob.digest), hours);
    return out;
  }
  void tag(const std::string& name, const std::vector<oci::Layer>& layers) {
    store.layout().tag(name, store.layout().store_image(oci::ImageConfig(), layers));
  }
  fs::path snapshot(const oci::Layer& layer, int hours) {
    const auto tree = Snapshots(store.snapshots(), store.layout()).layer(layer, {});
    age(tree.string() + ".boot", hours);
    return tree;
  }
  StepKey record(const std::string& name, const oci::Layer& layer) {
    StepInputs inputs;
    inputs.add("name", name);
    const auto key = inputs.key("step");
    StepRecords(store).save(key, {"step", inputs.leaves(), {layer}, {}, 0});
    return key;
  }
  bool has(const oci::Layer& layer) { return store.layout().contains(layer.blob.digest); }

  std::uint64_t bytes() { return measure_store(store, {}).bytes(); }
  std::uint64_t bytes_of(Kind kind) {
    std::uint64_t sum = 0;
    for (const auto& item : measure_store(store, {}).items) sum += item.kind == kind ? item.bytes : 0;
    return sum;
  }
  Removed down_by(std::uint64_t less) {
    const auto usage = measure_store(store, {});
    return Evictor(store).remove_down_to(usage.bytes() - less, usage);
  }
};

}  // namespace

TEST_CASE("what a store takes is counted in blocks, each file once") {
  Home home;
  const auto before = home.bytes();
  const auto item = home.package('a', 1);
  fs::create_hard_link(item / "x.whl", item / "again.whl");
  CHECK(home.bytes_of(Kind::package) >= kSize);
  CHECK(home.bytes_of(Kind::package) < kSize + kSize / 2);
  CHECK(home.bytes() == before + home.bytes_of(Kind::package));

  // A hole takes nothing.
  write_file(home.store.caches() / "hole", "");
  fs::resize_file(home.store.caches() / "hole", 1 << 30);
  CHECK(home.bytes_of(Kind::cache) < kSize);

  const auto named = home.layer(std::string(kSize, 'n'), 1);
  home.layer(std::string(kSize, 'o'), 1);
  home.tag("app:1", {named});
  const auto usage = measure_store(home.store, {});
  CHECK(usage.images == 1);
  const auto count = [&](Kind kind, bool is_named) {
    return std::ranges::count_if(
        usage.items, [&](const StoreItem& found) { return found.kind == kind && found.named == is_named; });
  };
  CHECK(count(Kind::layer, true) == 1);
  CHECK(count(Kind::layer, false) == 1);
  CHECK(count(Kind::documents, true) == 2);
}

TEST_CASE("what was used least recently goes first, whatever it is") {
  Home home;
  const auto named = home.layer("named " + std::string(kSize, 'n'), 100);
  home.tag("app:1", {named});
  const auto oldest = home.snapshot(named, 90);
  const auto older = home.package('b', 80);
  const auto old = home.layer(std::string(kSize, 'o'), 70);
  const auto lost = home.record("old", old);
  const auto young = home.package('c', 60);
  const auto kept = home.record("named", named);

  SECTION("one") {
    CHECK(home.down_by(1).items == 1);
    CHECK_FALSE(fs::exists(oldest));
    CHECK_FALSE(fs::exists(oldest.string() + ".boot"));
    CHECK(fs::exists(older));
  }
  SECTION("until it is enough") {
    // A snapshot, a package, a layer and its record.
    CHECK(home.down_by(2 * kSize + kSize / 2).items == 4);
    CHECK_FALSE(fs::exists(older));
    CHECK_FALSE(home.has(old));
    CHECK(fs::exists(young));
    CHECK_FALSE(StepRecords(home.store).find(lost));
    CHECK(StepRecords(home.store).find(kept));
    CHECK(Snapshots(home.store.snapshots(), home.store.layout()).layer(named, {}) == oldest);
  }
  SECTION("never what has a name") {
    home.down_by(home.bytes() - 1);
    CHECK_FALSE(fs::exists(young));
    CHECK(home.has(named));
    CHECK(home.store.layout().validate().empty());
  }
  SECTION("what is used again is younger") {
    CHECK(home.store.claim(older));
    CHECK(StepRecords(home.store).find(lost));
    Snapshots(home.store.snapshots(), home.store.layout()).layer(named, {});
    CHECK(home.down_by(1).items == 1);
    CHECK_FALSE(fs::exists(young));
    CHECK(fs::exists(oldest));
    CHECK(fs::exists(older));
    CHECK(home.has(old));
  }
  SECTION("what a running build uses stays") {
    const auto lease = home.store.layout().lease();
    CHECK(home.store.claim(older));
    const auto made = home.layer(std::string(kSize, 'm'), 0);
    home.down_by(home.bytes() - 1);
    CHECK(fs::exists(older));
    CHECK(home.has(made));
    CHECK_FALSE(fs::exists(oldest));
    CHECK_FALSE(fs::exists(young));
    CHECK_FALSE(collect_garbage(home.store, {}, {}));
  }
  CHECK(fs::is_empty(home.store.work()));
}

TEST_CASE("leases say since when the oldest of them is held") {
  Home home;
  const auto& layout = home.store.layout().directory();
  const auto oldest = [&] { return Evictor(home.store).oldest_lease(); };
  CHECK_FALSE(oldest());
  {
    const auto first = home.store.layout().lease();
    const auto since = oldest();
    REQUIRE(since);
    auto second = home.store.layout().lease();
    CHECK(oldest() == since);
    const auto moved = std::move(second);
    CHECK(oldest() == since);
  }
  CHECK_FALSE(oldest());
  write_file(layout / ".lease-killed", "");
  CHECK_FALSE(oldest());
  CHECK_FALSE(fs::exists(layout / ".lease-killed"));
}

TEST_CASE("a quota is kept, or is an error with the figures") {
  Home home;
  home.package('a', 1);
  home.package('b', 2);
  const auto used = home.bytes();
  const auto room = [&](std::uint64_t quota, std::uint64_t needed) {
    Store store(home.path, quota);
    return error_of([&] { require_room(store, {needed, 1}, "the step", {}); });
  };
  CHECK(room(used + 1000, 1000) == "no error");
  CHECK(home.bytes() == used);
  CHECK(room(used, 1000) == "no error");
  CHECK(home.bytes() < used);
  CHECK(fs::exists(home.store.packages() / std::string(64, 'a')));
  CHECK_FALSE(fs::exists(home.store.packages() / std::string(64, 'b')));

  const auto lease = home.store.layout().lease();
  CHECK(home.store.claim(home.store.packages() / std::string(64, 'a')));
  const auto left = home.bytes();
  CHECK(
      room(left + 500, 1000) ==
      concat("no_space: the store ", home.path.string(), " has a quota of ", human_size(left + 500),
             ", of which images and running builds use ", human_size(left),
             ", but the step needs about 1.0 kB | set a larger quota, remove images with 'dash-build rm', or "
             "look at 'dash-build df' for what takes the space"));
  Store small(home.path, left - 10);
  CHECK(keep_quota(small, {}) == 10);
  CHECK(keep_quota(home.store, {}) == 0);
}

TEST_CASE("garbage collection keeps what costs a download for a while") {
  Home home;
  const auto named = home.layer(std::string(kSize, 'n'), 1000);
  home.tag("app:1", {named});
  const auto in_use = home.snapshot(named, 2000);
  const auto other = home.layer(std::string(kSize, 'o'), 0);
  const auto unused = home.snapshot(other, 0);
  const auto old = home.package('a', 31 * 24);
  const auto young = home.package('b', 29 * 24);
  Snapshots snapshots(home.store.snapshots(), home.store.layout());
  const auto tree = [&](const std::string& key, int hours) {
    make_directories(home.path / "made");
    const auto kept = snapshots.keep_tree(key, home.path / "made");
    Home::age(kept.string() + ".boot", hours);
    return kept;
  };
  const auto old_tree = tree("old", 31 * 24);
  const auto young_tree = tree("young", 29 * 24);
  // What killed builds leave.
  for (const auto* name :
       {"packages/tmp-a/x", "packages/built/tmp-b/x", "records/steps/.tmp-c", "layout/.tmp-d",
        "layout/blobs/sha256/.tmp-e", "snapshots/f.partial/x", "layout/.lease-g"}) {
    make_directories((home.path / name).parent_path());
    write_file(home.path / name, "x");
  }

  GarbageOptions options;
  SECTION("by default") {
    REQUIRE(collect_garbage(home.store, options, {}));
    CHECK(fs::exists(young));
    CHECK(fs::exists(young_tree));
  }
  SECTION("what was not used for so long") {
    options.older_than = std::chrono::hours(24);
    REQUIRE(collect_garbage(home.store, options, {}));
    CHECK_FALSE(fs::exists(young));
    CHECK_FALSE(fs::exists(young_tree));
  }
  SECTION("down to a size") {
    options.keep_bytes = 1;
    REQUIRE(collect_garbage(home.store, options, {}));
    CHECK_FALSE(fs::exists(young));
    CHECK_FALSE(fs::exists(in_use));
  }
  if (!options.keep_bytes) CHECK(fs::exists(in_use));
  CHECK(home.has(named));
  CHECK_FALSE(home.has(other));
  CHECK_FALSE(fs::exists(unused));
  CHECK_FALSE(fs::exists(old));
  CHECK_FALSE(fs::exists(old_tree));
  for (const auto* name : {"packages/tmp-a", "packages/built/tmp-b", "records/steps/.tmp-c", "layout/.tmp-d",
                           "layout/blobs/sha256/.tmp-e", "snapshots/f.partial", "layout/.lease-g"}) {
    INFO(name);
    CHECK_FALSE(fs::exists(home.path / name));
  }
}
