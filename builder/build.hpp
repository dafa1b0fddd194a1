// A whole build: an app's source directory becomes an image in the store.
#pragma once

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
  // Base image: "oci:DIR[:TAG]", "oci-archive:FILE[:TAG]", "docker-archive:FILE[:NAME]" or a name in the
  // store; empty: the embedded default.
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
  CondaSettings conda;
  CondaInstall conda_install = CondaInstall::native;
  // How many layers the packages of one step may take.
  std::size_t package_layers = LayerLimits().layers;
};

struct PlannedStep {
  std::string step;
  Decision decision = Decision::build;
  std::string reason;
  std::vector<Leaf> leaves;
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
};

// What a build would do and why, from the lifecycle files and the records in the store. Runs no command and
// changes nothing. Errors in the app's files are thrown as a build would.
std::vector<PlannedStep> plan_build(const Workbench& bench, const BuildRequest& request);

// Builds the image and names it in the store. Emits StepPlanned, StepStarted, StepFinished and what comes
// between. When it throws, the store is valid, the name is as it was, and the results of finished steps are
// kept.
BuildReport run_build(const Workbench& bench, const BuildRequest& request);

}  // namespace dash::builder
