#include "builder/conda/history.hpp"

#include "base/text.hpp"
#include "builder/image_config.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

// "https://host/channel/linux-64::name-version-build", one a line, sorted.
std::string packages(const std::vector<CondaPackageUrl>& list, char sign) {
  std::vector<std::string> lines;
  for (const CondaPackageUrl& package : list)
    lines.push_back(concat(sign, package.channel(), '/', package.subdir(), "::", package.dist(), '\n'));
  std::ranges::sort(lines);
  return join(lines, "");
}

// As in Python's list of strings; conda reads it as one.
std::string quoted_list(const std::vector<std::string>& specs) {
  std::vector<std::string> quoted;
  for (const std::string& spec : specs) {
    std::string text;
    for (const char c : spec) text += c == '\'' || c == '\\' ? concat('\\', c) : std::string(1, c);
    quoted.push_back(concat('\'', text, '\''));
  }
  return concat('[', join(quoted, ", "), ']');
}

}  // namespace

std::string conda_history(const std::vector<CondaRevision>& revisions) {
  std::string out;
  for (const CondaRevision& revision : revisions) {
    std::string time = rfc3339(revision.time);  // "1980-01-01T00:00:00Z"
    time[10] = ' ';
    time.pop_back();
    out += concat("==> ", time, " <==\n# cmd: ", revision.command, '\n');
    if (!revision.conda_version.empty()) out += concat("# conda version: ", revision.conda_version, '\n');
    out += packages(revision.unlinked, '-');
    out += packages(revision.linked, '+');
    if (!revision.specs.empty()) out += concat("# update specs: ", quoted_list(revision.specs), '\n');
  }
  return out;
}

}  // namespace dash::builder
