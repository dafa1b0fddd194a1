// pip's configuration files (https://pip.pypa.io/en/stable/topics/configuration/).
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace dash::builder {

// The options of a pip.conf as the variables that would set them ("PIP_INDEX_URL"): those of [global], and
// over them those of [install]. A line that is none is Error(invalid_input) with `file` and number.
std::map<std::string, std::string> parse_pip_configuration(std::string_view text, std::string_view file);

// What pip would read for the user with this environment: global, user and site files, later ones over
// earlier ones, and $PIP_CONFIG_FILE over all; nothing when that is /dev/null. Variables themselves (PIP_…)
// are not in the answer.
std::map<std::string, std::string> read_pip_configuration(
    const std::map<std::string, std::string>& variables);

}  // namespace dash::builder
