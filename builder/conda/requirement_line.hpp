// Lines of conda-requirements.txt, with the meaning that the installed conda gives them. conda itself solves
// them; this is for telling people early what surprises.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// How `conda install --file` reads a line. Before 26.7 a rule of its own made "numpy=1.16" an exact version;
// since then lines are match specs, as on the command line, and this one means 1.16.* (CEP 23).
enum class CondaReading { exact, match_spec };

// By conda's version ("4.5.12"); what is no version counts as new.
CondaReading conda_reading(std::string_view conda_version);

struct CondaRequirementLine {
  std::size_t number = 0;  // from 1
  std::string text;        // without comment and surrounding blanks
};

struct CondaRequirements {
  std::vector<CondaRequirementLine> lines;  // those that say something
  // Of the comment "# platform: osx-64", which `conda list --export` writes; or empty.
  std::string platform;
};

// Takes the lines apart; "#" starts a comment. For files without "@EXPLICIT" (explicit_lock.hpp).
CondaRequirements conda_requirements(std::string_view text);

// What a line asks for.
struct CondaRequirement {
  std::string channel;  // "conda-forge", "defaults/linux-64"; empty: any
  std::string name;     // lower case; empty for a URL
  std::string version;  // "==1.16", "1.16.*", ">=1.11,<2"; empty: any
  std::string build;    // "py37_0", "py37*"; empty: any
  std::string url;      // of a package
  // Whether conda drops a part of the line without a word.
  enum class Loss { none, constraint } loss = Loss::none;
  bool operator==(const CondaRequirement&) const = default;
};

// Error(invalid_input) naming file and line for what conda itself refuses.
CondaRequirement read_requirement(const CondaRequirementLine& line, CondaReading reading,
                                  std::string_view file);

// A sentence for each line that surprises: that means something else to newer or older condas, is broken in
// this one, names a build of pip ("pypi_0"), or another platform.
std::vector<std::string> requirement_warnings(const CondaRequirements& requirements, CondaReading reading,
                                              std::string_view file);

}  // namespace dash::builder
