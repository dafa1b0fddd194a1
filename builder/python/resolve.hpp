// Resolving requirements with uv, inside the sandbox, for the interpreter of the image.
#pragma once

#include "builder/interpreter.hpp"
#include "builder/python/pylock.hpp"
#include "builder/workbench.hpp"

#include <map>
#include <string>
#include <vector>

namespace dash::builder {

// uv's --index-strategy. `first_index`: the first index that has a package decides, extra indexes first.
enum class IndexStrategy { first_index, unsafe_best_match };

struct ResolveRequest {
  std::string step;
  std::vector<oci::Layer> layers;
  std::vector<fs::path> extra_layers;
  Interpreter interpreter;
  // The tree of the interpreter's runtime archive on the host, because the app hides it in the image; empty:
  // the interpreter is in the image.
  fs::path runtime;
  // On the host; seen at /app. With `copy` uv works on a copy, because asking a local project for its
  // metadata writes into it.
  fs::path app_directory;
  enum class App { read_only, copy } app = App::read_only;
  std::vector<std::string> requirement_files;   // relative to the app
  std::vector<std::string> extra_requirements;  // further requirements, as lines
  // Added like extra_requirements, and left out (with a warning) when no index has them.
  std::vector<std::string> optional_requirements;
  std::map<std::string, std::string> variables;  // what "${NAME}" in the files stands for
  std::string previous_lock;  // text of an earlier lock whose versions are kept where they fit; may be empty
  IndexStrategy index_strategy = IndexStrategy::first_index;
  fs::path uv;  // on the host
};

// The lock for these requirements. uv's output is streamed as StepLog. What the user can mend is
// Error(invalid_input) (unknown package, conflict, bad line), Error(step_failed) (a source distribution does
// not build) or Error(unavailable, denied) (network, credentials), each with the requirement's message and a
// hint.
Lock resolve(const Workbench& bench, const ResolveRequest& request);

// Environment for uv made of the host's package index settings: UV_* as they are, PIP_* translated.
// Credentials stay in the values. `directories` receives host directories that the settings name
// (PIP_FIND_LINKS): the sandbox must see them under the same path.
std::map<std::string, std::string> uv_index_environment(const std::map<std::string, std::string>& settings,
                                                        std::vector<fs::path>& directories);

}  // namespace dash::builder
