// From a lock to wheel files on this machine: chosen, downloaded in parallel, taken from the app, or built.
#pragma once

#include "builder/python/build_wheel.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/tags.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <functional>
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

// Gets a wheel for every package of the lock. Files are kept as store.packages()/<sha256>/<file name> and not
// fetched again. Error(invalid_input) when a package has no wheel for the interpreter and no source.
void collect_wheels(const Workbench& bench, const Lock& lock, const BuildContext& context,
                    const WheelReady& ready);

// The file of an index package to install: the wheel with the best tag, of those the one with the highest
// build tag, else the source distribution. Error(invalid_input) that lists what there is.
const LockedFile& choose_file(const LockedPackage& package, const TagRanking& ranking,
                              const Interpreter& interpreter);

}  // namespace dash::builder
