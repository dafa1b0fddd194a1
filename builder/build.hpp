// A whole build: an app's source directory becomes an image in the store.
#pragma once

#include "base/step_input.hpp"
#include "builder/build_cache.hpp"
#include "builder/conda/installer_source.hpp"
#include "builder/python/python_packages.hpp"
#include "builder/python/runtime_archive.hpp"
#include "builder/step.hpp"
#include "builder/workbench.hpp"
#include "oci/reference.hpp"

#include <string>
#include <utility>
#include <vector>

namespace dash::builder {

// Who installs conda packages: this program, or conda itself in the sandbox.
enum class CondaInstall { native, conda };

struct BuildRequest {
  fs::path app_directory;
  oci::Reference name;  // with a tag
  // Base image: "docker://REGISTRY/NAME[:TAG]", "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]",
  // "docker-archive:FILE[:NAME]" or a name in the store; empty: the embedded default.
  std::string base;
  // `workspace` builds the image for Workspaces: steps 1-7, Python apps only.
  enum class Target { deploy, workspace } target = Target::deploy;
  // `ignore` runs every step again, except that the base image is not made anew.
  enum class Cache { use, ignore } cache = Cache::use;
  // Further variables of the image's environment; they win over the defaults and are visible to predeploy.
  std::vector<std::pair<std::string, std::string>> environment;
  // Interpreters for apps whose runtime.txt asks for one that the base image does not have.
  std::vector<RuntimeArchive> runtimes;
  std::string nltk_index;  // URL of an index to use for nltk.txt; empty: NLTK's own
  fs::path uv_program;     // a uv of the host's to use instead of the pinned one; empty: the pinned one
  IndexStrategy index_strategy = IndexStrategy::first_index;
  PycFiles pyc_files = PycFiles::compile;
  // Versions of the last build under this name are kept where they fit, except these.
  Upgrade upgrade;
  // A lock (pylock.toml) to use exactly, and what it is called in messages; empty: uv is asked.
  std::string locked;
  std::string locked_place;
  CondaSettings conda;
  CondaInstall conda_install = CondaInstall::native;
  // How many layers the packages of one step may take.
  std::size_t package_layers = LayerLimits().layers;
  // Images in registries whose layers may be taken, the best one first.
  std::vector<CacheSource> cache_from;
  // Whether the image is wanted in the store: `registry` leaves layers that a registry has where they are,
  // and then gives no name to the image.
  enum class Destination { store, registry } destination = Destination::store;
};

struct PlannedStep {
  std::string step;
  Decision decision = Decision::build;
  std::string reason;
  std::vector<StepInput> inputs;
};

struct StepReport {
  PlannedStep plan;
  std::vector<oci::Layer> layers;
  double seconds = 0;
};

struct BuildReport {
  oci::Descriptor image;
  oci::Descriptor config;
  std::vector<StepReport> steps;
  std::vector<KeyedRecord> records;  // of the steps that are in the image
  // Layers that are not in the store; the image has its name there only when there are none.
  std::vector<oci::Descriptor> remote;
};

// What a build would do and why, from the lifecycle files, the records in the store and what the request's
// cache sources have. Runs no command and changes nothing but when the layers that it finds were used last;
// records of cache sources are kept. Errors in the app's files are thrown as a build would.
std::vector<PlannedStep> plan_build(const Workbench& bench, const BuildRequest& request);

// Builds the image and names it in the store; what is not there any more when the call returns (`remote`) is
// for the caller to send from where it is. The caller holds a lease of the layout as long as it needs the
// image. Emits StepPlanned, StepStarted, StepFinished and what comes between. When it throws, the store is
// valid, the name is as it was, and the results of finished steps are kept.
BuildReport run_build(const Workbench& bench, const BuildRequest& request);

// Brings the store below its quota again, when the caller has done with the image and given up its lease.
// What cannot go is a warning.
void keep_quota_after_build(const Workbench& bench);

}  // namespace dash::builder
