#include "builder/package_mirror/simple_index.hpp"

#include "base/file.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "builder/percent.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace dash::builder {
namespace {

constexpr const char* kPage = "index.html";
constexpr const char* kHead =
    "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"><meta name=\"pypi:repository-version\" "
    "content=\"1.0\"></head>\n<body>\n";
// Of names of distributions, what URLs read otherwise: local versions and epochs have it.
constexpr std::string_view kInVersions = "+!";
constexpr const char* kFoot = "</body>\n</html>\n";

std::vector<std::string> names_in(const fs::path& directory, fs::file_type type) {
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    if (const std::string name = entry.path().filename().string();
        entry.status().type() == type && !name.starts_with('.'))
      out.push_back(name);
  std::ranges::sort(out);
  return out;
}

}  // namespace

void write_simple_index(const fs::path& directory) {
  std::string projects = kHead;
  for (const std::string& project : names_in(directory, fs::directory_file)) {
    std::string page = kHead;
    for (const std::string& file : names_in(directory / project, fs::regular_file)) {
      if (file == kPage) continue;
      FileSource content(directory / project / file);
      page += concat("<a href=\"", percent_encoded(file, kInVersions), "#sha256=", to_hex(sha256(content)),
                     "\">", file, "</a><br>\n");
    }
    write_file_atomic(directory / project / kPage, page + kFoot);
    projects += concat("<a href=\"", project, "/\">", project, "</a><br>\n");
  }
  write_file_atomic(directory / kPage, projects + kFoot);
}

}  // namespace dash::builder
