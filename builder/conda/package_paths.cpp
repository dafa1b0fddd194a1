#include "builder/conda/package_paths.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw Error(ErrorCode::corrupt, concat(name, ": ", what))
      .with_hint("The package is broken. Use another version or build of it, or report it to its channel.");
}

std::string checked(std::string_view path, const std::string& name, std::string_view file) {
  std::string out;
  if (!path.starts_with('/') && is_utf8(path) && path.find('\0') == std::string_view::npos)
    for (const std::string_view part : split(path, '/')) {
      if (part == ".") continue;
      if (part.empty() || part == "..") {
        out.clear();
        break;
      }
      out += concat(out.empty() ? "" : "/", part);
    }
  if (out.empty()) fail(name, concat(file, " has an unsafe path: ", dash::quoted(path)));
  return out;
}

Replacement::Mode replacement_mode(std::string_view word, const std::string& name, const std::string& path) {
  if (word == "text") return Replacement::Mode::text;
  if (word == "binary") return Replacement::Mode::binary;
  fail(name, concat("paths.json gives ", path, " the unknown file_mode ", dash::quoted(word)));
}

// A value that older tools leave out or set to null.
template <class Value>
std::optional<Value> optional(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<Value>();
}

PackagePath read_entry(const Json& entry, const std::string& name) {
  PackagePath out;
  out.path = checked(entry.at("_path").get<std::string>(), name, "paths.json");
  const std::string type = optional<std::string>(entry, "path_type").value_or("hardlink");
  if (type == "softlink")
    out.type = EntryType::symlink;
  else if (type == "directory")
    out.type = EntryType::directory;
  else if (type != "hardlink")
    fail(name, concat("paths.json gives ", out.path, " the unknown path_type ", dash::quoted(type)));
  out.sha256 = to_lower(optional<std::string>(entry, "sha256").value_or(""));
  out.size = optional<std::uint64_t>(entry, "size_in_bytes");
  if (optional<bool>(entry, "no_link").value_or(false)) out.no_link = PackagePath::NoLink::yes;
  out.placeholder = optional<std::string>(entry, "prefix_placeholder").value_or("");
  if (!out.placeholder.empty())
    out.mode = replacement_mode(optional<std::string>(entry, "file_mode").value_or("text"), name, out.path);
  return out;
}

// Words at blanks; one in quotes may have blanks.
std::vector<std::string> quoted_words(std::string_view line) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] == ' ' || line[at] == '\t') {
      ++at;
      continue;
    }
    const bool in_quotes = line[at] == '"' || line[at] == '\'';
    const std::size_t start = in_quotes ? at + 1 : at;
    const std::size_t end = in_quotes ? line.find(line[at], start) : line.find_first_of(" \t", start);
    if (end == std::string_view::npos) {
      out.emplace_back(line.substr(in_quotes ? at : start));
      break;
    }
    out.emplace_back(line.substr(start, end - start));
    at = end + 1;
  }
  return out;
}

std::set<std::string, std::less<>> lines_of(const PackageArchive& archive, std::string_view file) {
  std::set<std::string, std::less<>> out;
  if (const std::string* text = archive.info(file))
    for (const std::string_view line : split_lines(*text))
      if (!split_words(line).empty()) out.emplace(line);
  return out;
}

std::vector<PackagePath> paths_of_old_package(const PackageArchive& archive) {
  std::map<std::string, PrefixLine> prefixes;
  for (const std::string& line : lines_of(archive, "has_prefix")) {
    PrefixLine parsed = parse_prefix_line(line);
    prefixes.insert_or_assign(parsed.path, std::move(parsed));
  }
  const auto no_link = lines_of(archive, "no_link");
  std::vector<PackagePath> out;
  const auto add = [&](const std::string& path) {
    PackagePath& entry = out.emplace_back();
    entry.path = path;
    if (const ArchivedFile* file = archive.find(path)) entry.type = file->type;
    if (no_link.contains(path)) entry.no_link = PackagePath::NoLink::yes;
    if (const auto prefix = prefixes.find(path); prefix != prefixes.end()) {
      entry.mode = prefix->second.mode;
      entry.placeholder = prefix->second.placeholder;
    }
  };
  if (archive.info("files") != nullptr) {
    for (const std::string& line : lines_of(archive, "files"))
      add(checked(line, archive.name(), "info/files"));
  } else {
    for (const ArchivedFile& file : archive.files())
      if (file.type != EntryType::directory) add(file.path);
  }
  return out;
}

}  // namespace

PrefixLine parse_prefix_line(std::string_view line) {
  PrefixLine out;
  const std::vector<std::string> words = quoted_words(line);
  if (words.size() == 3 && (words[1] == "text" || words[1] == "binary")) {
    out.placeholder = words[0];
    if (words[1] == "binary") out.mode = Replacement::Mode::binary;
    out.path = words[2];
  } else {
    out.path = words.size() == 1 ? words[0] : std::string(line);
  }
  return out;
}

std::vector<PackagePath> parse_paths_json(const std::string& text, const std::string& name) {
  try {
    const Json json = Json::parse(text);
    const auto version = optional<std::int64_t>(json, "paths_version").value_or(1);
    if (version != 1)
      throw Error(ErrorCode::unsupported, concat(name, ": paths.json has version ", version, "; known is 1"))
          .with_hint("Use another build of the package.");
    std::vector<PackagePath> out;
    for (const Json& entry : json.at("paths")) out.push_back(read_entry(entry, name));
    return out;
  } catch (const Json::parse_error& error) {
    fail(name, concat("paths.json is not valid JSON (byte ", error.byte, ")"));
  } catch (const Json::exception&) {
    fail(name, "paths.json does not have the form it should have");
  }
}

std::vector<PackagePath> package_paths(const PackageArchive& archive) {
  if (const std::string* text = archive.info("paths.json")) return parse_paths_json(*text, archive.name());
  return paths_of_old_package(archive);
}

}  // namespace dash::builder
