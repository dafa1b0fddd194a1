// Python packages that an environment has already, from conda: for pip they are installed.
#pragma once

#include "builder/interpreter.hpp"
#include "builder/workbench.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

struct ProvidedPackage {
  std::string name;     // normalised
  std::string version;  // as its metadata has it
  // What its RECORD lists, relative to the root; empty when it has none, and then it cannot be replaced.
  std::vector<std::string> files;
};

struct ProvidedPackages {
  std::vector<ProvidedPackage> packages;  // sorted by name

  const ProvidedPackage* find(const std::string& name) const;
};

// Asks the interpreter of `layers`, in the sandbox. A wheel with nothing but its metadata is made of each
// package in `wheels`: a resolver that is shown them can choose what is installed, also where no index has
// it.
ProvidedPackages find_provided_packages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                        const Interpreter& interpreter, const fs::path& wheels,
                                        const std::string& step);

// A lock (pylock.toml) that only names their versions: uv keeps to them where they fit.
std::string preferences_lock(const ProvidedPackages& provided);

// The lock without the packages that are provided in just that version.
std::string without_provided(std::string_view lock, const ProvidedPackages& provided);

// A layer that hides these packages' files, as pip uninstalls what it replaces; nothing when there is nothing
// to hide. Error(unsupported) for one that has no RECORD.
std::optional<oci::Layer> remove_provided(const Workbench& bench, const ProvidedPackages& provided,
                                          const Interpreter& interpreter,
                                          const std::vector<std::string>& names, std::string_view prefix);

}  // namespace dash::builder
