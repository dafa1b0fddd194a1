// Wiring: the services of one build, made from this machine's settings and the command line.
#pragma once

#include "builder/build.hpp"
#include "builder/sandbox/snapshots.hpp"
#include "builder/workbench.hpp"
#include "cli/build_registry.hpp"
#include "cli/options.hpp"

#include <memory>
#include <stop_token>

namespace dash::cli {

// Owns what a Workbench refers to.
class Session {
 public:
  // `threads` 0: one per processor. `events` must outlive the session.
  Session(const CommonOptions& common, const AppOptions& app, unsigned threads, EventSink& events,
          std::stop_token stop);
  ~Session();

  const builder::Workbench& bench() const { return *bench_; }
  builder::Store& store() { return store_; }
  // Not when offline.
  BuildRegistry& registry() { return *registry_; }

 private:
  builder::HostSettings host_;
  builder::Store store_;
  ThreadPool pool_;
  builder::Snapshots snapshots_;
  std::unique_ptr<builder::Sandbox> sandbox_;
  std::unique_ptr<builder::PackageFetcher> fetcher_;
  std::unique_ptr<BuildRegistry> registry_;
  std::unique_ptr<builder::Workbench> bench_;
};

// The build that the options ask for. Throws Error(usage) for what they get wrong.
builder::BuildRequest make_request(const AppOptions& app);

// What the machine says of conda. Throws Error(usage) too.
builder::CondaSettings conda_settings(const AppOptions& app);

// `threads`, or the number of processors when it is 0.
unsigned thread_count(unsigned threads);

}  // namespace dash::cli
