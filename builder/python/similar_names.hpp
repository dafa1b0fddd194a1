// What a package name that no index has may be meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// Advice for a normalised name, as the first half of a hint: "the package is called scikit-learn",
// "did you mean pandas?", "json is part of Python: remove the line". `others` are further names that exist
// here. Empty when nothing is close.
std::string advice_for_name(std::string_view name, const std::vector<std::string>& others);

}  // namespace dash::builder
