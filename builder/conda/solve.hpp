// Conda requirements to a lock: the installed conda decides, in the sandbox, and installs nothing.
#pragma once

#include "builder/conda/conda_settings.hpp"
#include "builder/conda/explicit_lock.hpp"

#include <string>
#include <vector>

namespace dash::builder {

struct CondaSolveRequest {
  std::string step;
  // The root file system with the installed conda in kCondaPrefix, its .condarc and pins.
  std::vector<oci::Layer> layers = {};
  std::string requirements = {};  // the text of conda-requirements.txt
  const CondaSettings& settings;
};

// What conda would do to the environment.
struct CondaChange {
  std::vector<CondaPackageUrl> linked;  // with digests and records
  std::vector<std::string> unlinked;    // names
};

struct SolvedEnvironment {
  // All packages that are in the prefix afterwards, with digests and records, sorted by name.
  ExplicitLock lock;
  std::vector<CondaPackageUrl> linked;
  std::vector<CondaPackageUrl> unlinked;
};

// Asks conda (`conda install --dry-run --json --file`). It reads mirrors where there are any; the answer does
// not show that, and the .condarc in `layers` must name mirrors already. Channels are read over the network,
// and what was read is kept; offline that is all there is. Errors as of parse_solver_answer;
// Error(unavailable) for a package whose record cannot be had.
CondaChange solve_conda(const Workbench& bench, const CondaSolveRequest& request);

// The environment after these packages replaced those of the same names.
SolvedEnvironment with_packages(const ExplicitLock& installed, const std::vector<CondaPackageUrl>& linked,
                                const std::vector<std::string>& unlinked);

}  // namespace dash::builder
