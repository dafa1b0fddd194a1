// What every step of a build works with.
#pragma once

#include "base/event.hpp"
#include "base/thread_pool.hpp"
#include "builder/host.hpp"
#include "builder/ports.hpp"
#include "builder/sandbox.hpp"
#include "builder/store.hpp"
#include "oci/layer_writer.hpp"

#include <stop_token>
#include <string>

namespace dash::builder {

// References to the services of one build; owned by the program, alive for the whole build.
struct Workbench {
  Store& store;
  Sandbox& sandbox;
  PackageFetcher& fetcher;
  ThreadPool& pool;
  EventSink& events;
  const HostSettings& host;
  oci::Compression compression;
  Network network = Network::host;  // `none` when building offline
  std::stop_token stop;
  ImageRegistry* registry = nullptr;  // nullptr: there are no registries to ask
  bool airgapped = false;             // only servers that the settings name

  oci::LayerSettings layer_settings() const {
    return {store.layers(), pool, compression, host.source_date_epoch};
  }
  void log(const std::string& step, std::string line) const { events.emit(StepLog{step, std::move(line)}); }
  void note(const std::string& step, std::string text) const { events.emit(Note{step, std::move(text)}); }
  void warn(const std::string& step, std::string text) const { events.emit(Warning{step, std::move(text)}); }
};

}  // namespace dash::builder
