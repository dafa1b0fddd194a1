// Resolving requirements with uv, inside the sandbox, for the interpreter of the image.
#pragma once

#include "builder/app/ignore_rules.hpp"
#include "builder/app/requirements.hpp"
#include "builder/interpreter.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/uv_settings.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <vector>

namespace dash::builder {

// uv's --index-strategy. `first_index`: the first index that has a package decides, extra indexes first.
enum class IndexStrategy { first_index, unsafe_best_match };

// Which versions of the previous lock are not kept.
struct Upgrade {
  enum class All { no, yes } all = All::no;
  std::vector<std::string> packages;  // names, normalised
  bool any() const { return all == All::yes || !packages.empty(); }
};

struct ResolveRequest {
  std::string step;
  std::vector<oci::Layer> layers;
  std::vector<fs::path> extra_layers;
  Interpreter interpreter;
  // The tree of the interpreter's runtime archive on the host, because the app hides it in the image; empty:
  // the interpreter is in the image.
  fs::path runtime;
  fs::path app_directory;  // on the host; seen at /app
  IgnoreRules ignore;      // the app's
  RequirementsFiles requirements;
  UvSettings settings;
  // Lines that are left out (with a warning) when no index has the package.
  std::vector<std::string> optional_requirements;
  std::string previous_lock;  // text of an earlier lock whose versions are kept where they fit; may be empty
  Upgrade upgrade;
  IndexStrategy index_strategy = IndexStrategy::first_index;
  fs::path uv;  // on the host
  // Packages that the layers have already: kept where they fit, also when no index has them. A directory has
  // their metadata, as wheels.
  struct InstalledPackage {
    std::string name;
    std::string version;
  };
  std::vector<InstalledPackage> installed;
  fs::path installed_wheels;
  // How the app's local sources are seen: its directory at /app; or, where the layers have something below
  // /app that must stay visible, a copy of them on top of the layers.
  enum class Sources { mounted, layered } sources = Sources::mounted;
};

// The lock for these requirements. What uv does is streamed as StepLog; why it failed is the Error:
// invalid_input (unknown package, contradiction, bad line), step_failed (a source distribution does not
// build), unavailable or denied (network, credentials), each with the place of the requirement and a hint.
Lock resolve(const Workbench& bench, const ResolveRequest& request);

// The newest versions of a package that have a wheel for the request's interpreter, newest first, a handful;
// empty when there are none or the index does not answer. Runs uv once for each.
std::vector<std::string> versions_with_wheel(const Workbench& bench, const ResolveRequest& request,
                                             const std::string& name);

}  // namespace dash::builder
