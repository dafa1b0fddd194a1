// direct_url.json: where a distribution that did not come from an index came from (PEP 610).
#pragma once

#include "builder/python/pylock.hpp"

#include <string>

namespace dash::builder {

// Content of the file, with keys in order and without credentials; empty for packages of an index.
std::string direct_url_json(const LockedPackage& package);

}  // namespace dash::builder
