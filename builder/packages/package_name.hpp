// Names of Python packages.
#pragma once

#include <string>
#include <string_view>

namespace dash::builder {

// The one spelling of a name: "Dash_Table.X" → "dash-table-x" (PyPA "Names and normalization", PEP 503).
// Separators at either end, which no valid name has, go.
std::string normal_package_name(std::string_view name);

}  // namespace dash::builder
