// A workbench in an empty store, for tests of what steps call.
#pragma once

#include "base/file.hpp"
#include "builder/workbench.hpp"
#include "oci/extract.hpp"
#include "tests/support/fake_sandbox.hpp"
#include "tests/support/host_settings.hpp"
#include "tests/support/no_fetcher.hpp"
#include "tests/support/recorded_events.hpp"
#include "tests/support/tools.hpp"

#include <string>
#include <vector>

namespace dash::testing {

struct TestBench {
  // Without a fetcher nothing can be fetched, and the build is offline.
  TestBench() : TestBench(none, builder::Network::none) {}
  explicit TestBench(builder::PackageFetcher& fetcher, builder::Network network = builder::Network::host)
      : bench{store, sandbox, fetcher, pool, events, host, oci::Compression::parse("zstd"), network, {}} {}
  TestBench(const TestBench&) = delete;
  TestBench& operator=(const TestBench&) = delete;

  // The layers on top of each other, in a new directory.
  fs::path extract(const std::vector<oci::Layer>& layers, const std::string& name) {
    const fs::path root = home.path() / name;
    make_directories(root);
    for (const auto& layer : layers) oci::extract_layer(*store.layout().open(layer.blob), root, "layer");
    return root;
  }

  NoFetcher none;
  TempDirectory home = make_temp_directory();
  builder::HostSettings host = host_settings();
  builder::Store store{home.path() / "store"};
  FakeSandbox sandbox{home.path()};
  ThreadPool pool{2};
  RecordedEvents events;
  builder::Workbench bench;
};

}  // namespace dash::testing
