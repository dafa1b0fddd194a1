// From a lock to wheel files on this machine: chosen, downloaded in parallel, taken from the app, or built.
#pragma once

#include "builder/python/build_wheel.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/tags.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

struct LocalWheel {
  fs::path path;  // below store.packages()
  Sha256 sha256{};
  std::string direct_url;  // content of direct_url.json (PEP 610), or empty
  enum class Origin { published, built } origin = Origin::published;
};

// Called with the index of a package in the lock as soon as its wheel is there: what is in the store first,
// then what is downloaded as it comes, then what has to be built. By one thread at a time, not always the
// calling one.
using WheelReady = std::function<void(std::size_t index, LocalWheel wheel)>;

// Gets the wheels of a lock's packages. Files are kept as store.packages()/<sha256>/<file name> and not
// fetched again. Not thread-safe.
class WheelCollector {
 public:
  // Chooses a file for each package; all arguments must outlive the object. Error(invalid_input) when a
  // package has no wheel for the interpreter and no source, Error(corrupt) when its hash is wrong.
  WheelCollector(const Workbench& bench, const Lock& lock, const BuildContext& context);
  ~WheelCollector();
  WheelCollector(const WheelCollector&) = delete;
  WheelCollector& operator=(const WheelCollector&) = delete;

  // What a package's wheel will be once it is there (or is already), without getting it. Nothing when only
  // the wheel itself can tell: it is to be built, or its SHA-256 is not in the lock, or a pin names another
  // kind of hash.
  std::optional<LocalWheel> known(std::size_t index) const;
  // Whether it has to be built from source.
  bool is_built(std::size_t index) const;

  // Gets the wheels of these packages.
  void collect(const std::vector<std::size_t>& indices, const WheelReady& ready);

 private:
  class State;
  std::unique_ptr<State> state_;
};

// The file of an index package to install: the wheel with the best tag, of those the one with the highest
// build tag, else the source distribution. Error(invalid_input) that lists what there is.
const LockedFile& choose_file(const LockedPackage& package, const TagRanking& ranking,
                              const Interpreter& interpreter);

}  // namespace dash::builder
