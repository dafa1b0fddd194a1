#include "builder/line_changes.hpp"

#include "base/text.hpp"
#include "builder/packages/package_name.hpp"

#include <algorithm>
#include <map>

namespace dash::builder {
namespace {

constexpr std::size_t kNamedLines = 4;
constexpr std::size_t kLongestLine = 60;

// How often each line stands in `lines` and not in `others`, in the order of `lines`.
std::vector<std::string> without(const std::vector<std::string>& lines,
                                 const std::vector<std::string>& others) {
  std::map<std::string_view, std::size_t> left;
  for (const auto& line : others) ++left[line];
  std::vector<std::string> out;
  for (const auto& line : lines) {
    auto& count = left[line];
    if (count > 0)
      --count;
    else
      out.push_back(line);
  }
  return out;
}

// The package that a line is about; of an option or a URL all of it.
std::string subject_of(std::string_view line) {
  const auto name = line.substr(0, line.find_first_of(" <>=!~;@[:/"));
  return name.empty() || name.starts_with('-') || contains(line.substr(0, line.find(' ')), "://")
             ? std::string(line)
             : normal_package_name(name);
}

std::string shortened(std::string_view line) {
  if (line.size() <= kLongestLine) return std::string(line);
  auto end = kLongestLine;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80) --end;
  return concat(line.substr(0, end), "...");
}

// The first of many, and how many more there are.
std::string named(std::vector<std::string> changes, std::string_view more) {
  if (changes.size() > kNamedLines) {
    const auto count = changes.size() - kNamedLines + 1;
    changes.resize(kNamedLines - 1);
    changes.push_back(concat(count, more));
  }
  return join(changes, ", ");
}

}  // namespace

std::string describe_lines(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  const auto came = without(now, before);
  auto gone = without(before, now);
  std::vector<std::string> changes;
  for (const auto& line : came) {
    const auto old = std::ranges::find(gone, subject_of(line), subject_of);
    if (old == gone.end()) {
      changes.push_back(concat("+ ", shortened(line)));
      continue;
    }
    changes.push_back(concat(shortened(*old), " → ", shortened(line)));
    gone.erase(old);
  }
  for (const auto& line : gone) changes.push_back(concat("- ", shortened(line)));
  if (changes.empty() && before != now) return "the order of its lines";
  return named(std::move(changes), " more lines");
}

std::string describe_files(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  const auto path_of = [](std::string_view line) { return line.substr(0, line.find('\t')); };
  std::vector<std::string> changes;
  auto gone = without(before, now);
  for (const auto& line : without(now, before)) {
    const auto old = std::ranges::find(gone, path_of(line), path_of);
    changes.push_back(concat(old == gone.end() ? "+ " : "", shortened(path_of(line))));
    if (old != gone.end()) gone.erase(old);
  }
  for (const auto& line : gone) changes.push_back(concat("- ", shortened(path_of(line))));
  return named(std::move(changes), " more files");
}

}  // namespace dash::builder
