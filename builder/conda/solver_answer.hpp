// What `conda install --dry-run --json` prints.
#pragma once

#include "builder/conda/explicit_lock.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

struct SolvedPackage {
  std::string name;
  std::string dist;      // "numpy-1.16.2-py37_0"
  std::string base_url;  // of the channel: "https://host/channel"
  std::string subdir;    // "linux-64"
  // Where the answer has the package's whole record (since conda 4.7): the URL, and the record as JSON.
  std::string url;
  std::string record;
};

struct SolverAnswer {
  std::vector<SolvedPackage> linked;
  std::vector<std::string> unlinked;  // names
};

// Reads it. What conda says instead of an answer is an Error: invalid_input for specs that nothing satisfies
// or that exclude each other, unavailable for channels that cannot be read, else step_failed; with conda's
// text as output. Error(corrupt) for what is no answer at all.
SolverAnswer parse_solver_answer(const std::string& text);

// Larger lists of channels are not read.
inline constexpr std::uint64_t kMaxRepodata = std::uint64_t{2} << 30;

// Records of package files, by file name.
using RepodataRecords = std::map<std::string, std::string, std::less<>>;

// The records of those files that a channel's repodata.json has, as they are there. The text may be large: it
// is gone through once, and not parsed as a whole.
RepodataRecords find_in_repodata(std::string_view repodata,
                                 const std::set<std::string, std::less<>>& file_names);

}  // namespace dash::builder
