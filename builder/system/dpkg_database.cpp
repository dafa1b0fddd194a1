#include "builder/system/dpkg_database.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <boost/filesystem/directory.hpp>

namespace dash::builder {
namespace {

constexpr const char* kDatabase = "var/lib/dpkg";
constexpr std::string_view kList = ".list";

std::string_view without_slash(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

struct Diversion {
  std::string to;
  std::string by;  // the package whose own file stays where it is; ":" for the administrator
};

// Three lines each: from, to, package.
std::map<std::string, Diversion, std::less<>> parse_diversions(std::string_view text) {
  std::map<std::string, Diversion, std::less<>> out;
  const auto lines = split_lines(text);
  for (std::size_t i = 0; i + 2 < lines.size(); i += 3)
    out[std::string(lines[i])] = {std::string(lines[i + 1]), std::string(lines[i + 2])};
  return out;
}

// Versions by name and architecture (deb822 stanzas).
std::map<std::pair<std::string, std::string>, std::string> parse_status(std::string_view text) {
  std::map<std::pair<std::string, std::string>, std::string> out;
  std::string name, architecture, version;
  const auto finish = [&] {
    if (!name.empty()) {
      out[{name, architecture}] = version;
      out.try_emplace({name, ""}, version);
    }
    name = architecture = version = {};
  };
  const auto value = [](std::string_view line, std::string_view field) -> std::optional<std::string> {
    if (!line.starts_with(field)) return std::nullopt;
    return std::string(trim(line.substr(field.size())));
  };
  for (const auto line : split_lines(text)) {
    if (line.empty()) finish();
    if (const auto found = value(line, "Package:")) name = *found;
    if (const auto found = value(line, "Architecture:")) architecture = *found;
    if (const auto found = value(line, "Version:")) version = *found;
  }
  finish();
  return out;
}

}  // namespace

std::vector<DpkgPackage> read_dpkg_packages(const fs::path& tree, std::string_view diversions) {
  const auto database = tree / kDatabase;
  std::vector<std::string> files;
  boost::system::error_code absent;
  for (fs::directory_iterator file(database / "info", absent), end; file != end; ++file)
    if (fs::is_regular_file(file->symlink_status())) files.push_back(file->path().filename().string());
  std::ranges::sort(files);

  const auto versions = parse_status(read_file_if_exists(database / "status").value_or(""));
  const auto diverted = parse_diversions(diversions);
  std::vector<DpkgPackage> out;
  for (const auto& file : files) {
    if (!file.ends_with(kList)) continue;
    DpkgPackage package;
    package.id = file.substr(0, file.size() - kList.size());
    const auto colon = package.id.find(':');
    package.name = package.id.substr(0, colon);
    const auto architecture = colon == std::string::npos ? "" : package.id.substr(colon + 1);
    if (const auto found = versions.find({package.name, architecture}); found != versions.end())
      package.version = found->second;
    const auto list = read_file(database / "info" / file);
    for (const auto line : split_lines(list)) {
      const auto diversion = diverted.find(line);
      const bool moved = diversion != diverted.end() && diversion->second.by != package.name;
      const auto path = without_slash(moved ? std::string_view(diversion->second.to) : line);
      if (!path.empty() && path != ".") package.paths.emplace_back(path);
    }
    out.push_back(std::move(package));
  }
  // "libpq5:amd64.postinst": no kind of file has a dot in its name.
  for (const auto& file : files) {
    const auto id = std::string_view(file).substr(0, file.rfind('.'));
    const auto package = std::ranges::find(out, id, &DpkgPackage::id);
    if (package != out.end()) package->paths.push_back(concat(kDatabase, "/info/", file));
  }
  return out;
}

}  // namespace dash::builder
