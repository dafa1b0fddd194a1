// Python packages that an environment has already, from conda: for pip they are installed.
#pragma once

#include "builder/interpreter.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/resolve.hpp"
#include "builder/workbench.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

class ProvidedPackages {
 public:
  // Asks the interpreter of `layers`, in the sandbox. Error(step_failed) when it cannot say.
  ProvidedPackages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                   const Interpreter& interpreter, const std::string& step);

  // Shows them to the resolver: ResolveRequest::installed. This must outlive the request.
  void offer(ResolveRequest& request) const;

  // Takes what is installed in just that version out of a resolved lock.
  void remove_from(Lock& lock) const;

  // A layer that hides those that the lock has too, as pip uninstalls what it replaces; nothing when there
  // are none. Error(unsupported) for one that does not say which files it has.
  std::optional<oci::Layer> hide(const Workbench& bench, const Lock& lock) const;

 private:
  struct Package {
    std::string name;     // normalised
    std::string version;  // as its metadata has it
    std::string place;    // of its metadata, in the layers
  };

  std::string ask(const Workbench& bench, const char* program,
                  const std::vector<std::string>& arguments) const;
  const Package* find(const std::string& name) const;

  std::vector<oci::Layer> layers_;
  std::string interpreter_;        // its program
  TempDirectory wheels_;           // of each package a wheel with nothing but its metadata
  std::vector<Package> packages_;  // sorted by name
};

}  // namespace dash::builder
