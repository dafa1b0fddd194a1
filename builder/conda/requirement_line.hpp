// Lines of conda-requirements.txt, with the meaning that the installed conda gives them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// How `conda install --file` reads a line. Until 26.1 a rule of its own made "numpy=1.16" an exact version;
// since 26.7 lines are match specs, as on the command line, and mean 1.16.*.
enum class CondaReading { exact, match_spec };

// By conda's version ("4.5.12"); of what is no version the newer one.
CondaReading conda_reading(std::string_view conda_version);

// What a line asks for.
struct CondaRequirement {
  std::string channel;  // "conda-forge", "defaults/linux-64"; empty: any
  std::string name;     // lower case; empty for a URL
  std::string version;  // "==1.16", "1.16.*", ">=1.11,<2"; empty: any
  std::string build;    // "py37_0", "py37*"; empty: any
  std::string url;      // of a package
  // For people: what this line means that its writer may not expect; empty mostly.
  std::string surprise;
  bool operator==(const CondaRequirement&) const = default;
};

struct CondaRequirementLine {
  std::size_t number = 0;  // from 1
  std::string text;        // without comment and surrounding blanks
};

// Lines that say something. A "#" starts a comment anywhere but in a URL's fragment.
std::vector<CondaRequirementLine> conda_requirement_lines(std::string_view text);

// Error(invalid_input) naming file and line for what conda itself refuses.
CondaRequirement read_requirement(const CondaRequirementLine& line, CondaReading reading,
                                  std::string_view file);

// One sentence for each line that surprises: that it means something else in the other reading, is broken in
// this one, names a build of pip ("pypi_0"), or another platform.
std::vector<std::string> requirement_warnings(const std::vector<CondaRequirementLine>& lines,
                                              CondaReading reading, std::string_view file);

}  // namespace dash::builder
