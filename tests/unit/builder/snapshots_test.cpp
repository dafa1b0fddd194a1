#include "builder/sandbox/snapshots.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "builder/system/layer_files.hpp"
#include "oci/layer_writer.hpp"
#include "tests/support/memory_store.hpp"

#include <thread>

#include <catch2/catch.hpp>
#include <sys/stat.h>

using namespace dash;
using namespace dash::builder;

namespace {

struct Blobs {
  dash::testing::MemoryStore store;
  ThreadPool pool{1};

  // A layer with these files in order; a name that starts with '-' is a whiteout, '/' at the end a directory.
  oci::Layer layer(const std::vector<std::pair<std::string, std::string>>& files) {
    oci::LayerWriter writer({store, pool, {}, 0});
    for (const auto& [name, content] : files) {
      if (name.starts_with('-')) {
        writer.add_whiteout(name.substr(1));
        continue;
      }
      oci::TarEntry entry;
      entry.path = name.ends_with('/') ? name.substr(0, name.size() - 1) : name;
      entry.type = name.ends_with('/') ? EntryType::directory : EntryType::file;
      entry.size = content.size();
      writer.add(std::move(entry), as_bytes(content));
    }
    return writer.finish();
  }
};

}  // namespace

TEST_CASE("a layer is unpacked once, in overlay form") {
  Blobs blobs;
  TempDirectory home("/tmp");
  Snapshots snapshots(home.path() / "s", blobs.store);
  const auto layer = blobs.layer({{"etc/", ""}, {"-etc/old", ""}, {"file", "content"}});
  CHECK_FALSE(snapshots.find_layer(layer.diff_id));
  // As a killed build would leave it.
  make_directories(home.path() / "s" / (layer.diff_id.hex() + ".partial") / "junk");
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { snapshots.layer(layer, {}); });
  }
  const auto path = snapshots.find_layer(layer.diff_id);
  REQUIRE(path);
  CHECK(*path == home.path() / "s" / layer.diff_id.hex());
  CHECK(read_file(*path / "file") == "content");
  CHECK_FALSE(fs::exists(*path / "junk"));
  struct stat whiteout {};
  REQUIRE(::lstat((*path / "etc/old").c_str(), &whiteout) == 0);
  CHECK((S_ISCHR(whiteout.st_mode) && whiteout.st_rdev == 0));
}

TEST_CASE("a wrong diff id or a damaged blob leaves no snapshot") {
  Blobs blobs;
  TempDirectory home("/tmp");
  Snapshots snapshots(home.path(), blobs.store);
  auto layer = blobs.layer({{"file", "content"}});
  SECTION("diff id") {
    layer.diff_id = oci::DiffId(sha256("something else"));
    CHECK_THROWS_WITH(snapshots.layer(layer, {}),
                      Catch::Contains("does not have the diff id that its image claims"));
  }
  SECTION("blob") {
    auto bytes = blobs.store.bytes(layer.blob.digest);
    bytes[bytes.size() / 2] ^= 1;
    blobs.store.damage(layer.blob.digest, bytes);
    CHECK_THROWS_AS(snapshots.layer(layer, {}), Error);
  }
  CHECK_FALSE(snapshots.find_layer(layer.diff_id));
  CHECK_FALSE(fs::exists(home.path() / (layer.diff_id.hex() + ".partial")));
}

TEST_CASE("several layers are unpacked side by side, with room asked for by one at a time") {
  Blobs blobs;
  TempDirectory home("/tmp");
  std::vector<oci::Layer> layers;
  for (const auto* name : {"a", "b", "c", "d", "e"}) layers.push_back(blobs.layer({{name, name}}));
  layers.push_back(layers.front());  // one layer twice
  int asking = 0;                    // a race would be seen by the thread sanitizer
  int asked = 0;
  Snapshots snapshots(home.path(), blobs.store, [&](std::uint64_t) {
    CHECK(++asking == 1);
    ++asked;
    --asking;
  });

  SECTION("in their order") {
    const auto trees = snapshots.layers(layers, {});
    REQUIRE(trees.size() == layers.size());
    for (std::size_t i = 0; i < trees.size(); ++i)
      CHECK(trees[i] == *snapshots.find_layer(layers[i].diff_id));
    CHECK(read_file(trees[3] / "d") == "d");
    CHECK(asked == 5);
    CHECK(snapshots.layers(layers, {}) == trees);
    CHECK(asked == 5);
  }
  SECTION("the failure of one is that of all, and what is whole stays") {
    layers[2].diff_id = oci::DiffId(sha256("something else"));
    CHECK_THROWS_WITH(snapshots.layers(layers, {}),
                      Catch::Contains("does not have the diff id that its image claims"));
    CHECK_FALSE(snapshots.find_layer(layers[2].diff_id));
    for (const auto& layer : layers)
      CHECK_FALSE(fs::exists(home.path() / (layer.diff_id.hex() + ".partial")));
    CHECK(snapshots.layers({layers[0], layers[4]}, {}).size() == 2);
  }
  SECTION("not when it is to stop") {
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(snapshots.layers(layers, stop.get_token()), Error);
    CHECK(asked <= 1);
  }
  SECTION("ahead, where failures are left to who asks") {
    auto wrong = layers;
    wrong[1].diff_id = oci::DiffId(sha256("something else"));
    { const UnpackAhead ahead(snapshots, wrong); }
    { const UnpackAhead ahead(snapshots, layers); }
    CHECK(snapshots.layers(layers, {}).size() == layers.size());
    CHECK_THROWS_AS(snapshots.layers(wrong, {}), Error);
  }
}

TEST_CASE("trees are kept by key; the first one stays") {
  Blobs blobs;
  TempDirectory home("/tmp");
  Snapshots snapshots(home.path() / "s", blobs.store);
  CHECK_FALSE(snapshots.find_tree("key"));
  for (const auto* name : {"first", "second"}) {
    make_directories(home.path() / name);
    write_file_atomic(home.path() / name / "name", name);
    CHECK(read_file(snapshots.keep_tree("key", home.path() / name) / "name") == "first");
  }
  CHECK(snapshots.find_tree("key"));
  CHECK_FALSE(snapshots.find_tree("other key"));
}

TEST_CASE("files of stacked layers: the topmost layer decides") {
  Blobs blobs;
  const auto lower =
      blobs.layer({{"a", "lower a"}, {"d/", ""}, {"d/x", "lower x"}, {"gone", "x"}, {"kept", "kept"}});
  const auto upper = blobs.layer({{"-gone", ""}, {"a", "upper a"}, {"d", "a file now"}});
  const auto files =
      read_layer_files(blobs.store, {lower, upper}, {"a", "d/x", "gone", "kept", "absent"}, {});
  CHECK(files == std::map<std::string, std::string>{{"a", "upper a"}, {"kept", "kept"}});
}
