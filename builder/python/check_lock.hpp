// Whether a lock that somebody gives answers the requirements.
#pragma once

#include "builder/python/pylock.hpp"
#include "builder/python/resolve.hpp"
#include "builder/workbench.hpp"

#include <string>

namespace dash::builder {

// Throws Error(invalid_input) that names the first line that the lock does not meet: a package that is not in
// it, another version than the line allows, another URL, or an interpreter that it is not for. What packages
// require of each other is not looked at, and no index is asked: uv judges the lines (PEP 440, PEP 508) over
// stand-ins for the locked packages. `place` is the lock's name in messages.
void check_lock(const Workbench& bench, const ResolveRequest& request, const Lock& lock,
                const std::string& place);

}  // namespace dash::builder
