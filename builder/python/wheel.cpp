#include "builder/python/wheel.hpp"

#include "base/error.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "builder/packages/package_name.hpp"
#include "builder/python/tags.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr std::uint64_t kMaxMetadata = std::uint64_t{64} << 20;

[[noreturn]] void fail(ErrorCode code, std::string_view wheel, std::string_view what) {
  throw Error(code, concat(wheel, " is not a usable wheel: ", what))
      .with_hint(
          "Report it to the project that published the wheel, or pin another version in the requirements.");
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '.';
}

// The values of a header of METADATA or WHEEL (RFC 822 style, up to the first empty line).
std::vector<std::string_view> headers(std::string_view text, std::string_view name) {
  std::vector<std::string_view> out;
  for (const std::string_view line : split_lines(text)) {
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && to_lower(line.substr(0, colon)) == name)
      out.push_back(trim(line.substr(colon + 1)));
  }
  return out;
}

std::optional<std::string> header(std::string_view text, std::string_view name) {
  const std::vector<std::string_view> values = headers(text, name);
  return values.empty() ? std::nullopt : std::optional<std::string>(values.front());
}

// Names in Requires-Dist, without those that only an extra asks for.
std::vector<std::string> dependencies_in(std::string_view metadata) {
  std::vector<std::string> out;
  for (const std::string_view requirement : headers(metadata, "requires-dist")) {
    const std::size_t marker = requirement.find(';');
    if (marker != std::string_view::npos && contains(requirement.substr(marker), "extra")) continue;
    std::string name = normal_package_name(requirement.substr(
        0, std::ranges::find_if_not(requirement, is_name_character) - requirement.begin()));
    if (!name.empty()) out.push_back(std::move(name));
  }
  return out;
}

std::string read_metadata(const ZipReader& zip, const std::string& path) {
  const ZipEntry* entry = zip.find(path);
  if (entry == nullptr || entry->is_directory())
    fail(ErrorCode::corrupt, zip.name(), concat(path, " is missing"));
  if (entry->size > kMaxMetadata) fail(ErrorCode::corrupt, zip.name(), concat(path, " is too large"));
  std::string text = zip.read(*entry);
  if (!is_utf8(text)) fail(ErrorCode::corrupt, zip.name(), concat(path, " is not UTF-8"));
  return text;
}

// The one *.dist-info directory, which must be that of the project in the file name.
std::string find_dist_info(const ZipReader& zip, const WheelName& file_name) {
  constexpr std::string_view kSuffix = ".dist-info";
  std::string found;
  for (const ZipEntry& entry : zip.entries()) {
    const std::string_view top = std::string_view(entry.path).substr(0, entry.path.find('/'));
    if (!top.ends_with(kSuffix) || top.size() == entry.path.size() || top == found) continue;
    if (!found.empty())
      fail(ErrorCode::corrupt, zip.name(),
           concat("it has several .dist-info directories: ", found, ", ", top));
    found = top;
  }
  if (found.empty()) fail(ErrorCode::corrupt, zip.name(), "it has no .dist-info directory");
  const std::string_view stem = std::string_view(found).substr(0, found.size() - kSuffix.size());
  if (normal_package_name(stem.substr(0, stem.rfind('-'))) != normal_package_name(file_name.name))
    fail(ErrorCode::corrupt, zip.name(), concat(found, " does not belong to the project in the file name"));
  return found;
}

void check_wheel_version(const std::string& wheel_file, const std::string& name) {
  const std::optional<std::string> version = header(wheel_file, "wheel-version");
  if (!version) fail(ErrorCode::corrupt, name, "WHEEL has no Wheel-Version");
  const std::optional<std::uint64_t> major = parse_uint(split(*version, '.').front());
  if (!major) fail(ErrorCode::corrupt, name, concat("its Wheel-Version is ", quoted(*version)));
  if (*major != 1)
    fail(ErrorCode::unsupported, name,
         concat("its Wheel-Version is ", *version, "; this program knows version 1"));
}

bool is_word_character(char c) {
  return (is_name_character(c) && c != '-' && c != '.') || static_cast<unsigned char>(c) >= 0x80;
}

// Length of the object reference that the text starts with: words joined by '.' and ':', 0 when there is
// none.
std::size_t object_reference_size(std::string_view text) {
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::size_t start = at;
    while (at < text.size() && is_word_character(text[at])) ++at;
    if (at == start) break;
    size = at;
    if (at == text.size() || (text[at] != '.' && text[at] != ':')) break;
  }
  return size;
}

// What follows the object reference counts as little as with pip: extras in brackets are skipped, and so is
// anything that has no brackets.
EntryPoint parse_entry_point(std::string_view line, std::string_view name) {
  auto bad = [&](std::string_view why) {
    throw Error(ErrorCode::invalid_input, concat(name, ": bad entry point ", quoted(line), ": ", why))
        .with_hint(
            "An entry point reads `name = package.module:function`. The project that made the wheel must "
            "mend it.");
  };
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) bad("there is no '='");
  EntryPoint out;
  out.name = trim(line.substr(0, equals));
  if (out.name.empty()) bad("the name is empty");
  const std::string_view value = trim(line.substr(equals + 1));
  const std::string_view reference = value.substr(0, object_reference_size(value));
  const std::size_t colon = reference.find(':');
  out.module = reference.substr(0, colon);
  if (colon != std::string_view::npos) out.function = reference.substr(colon + 1);
  const std::string_view rest = trim(value.substr(reference.size()));
  const bool has_brackets = rest.find_first_of("[]") != std::string_view::npos;
  const bool has_extras = rest.starts_with('[') && contains(rest, "]");
  if (reference.empty() || contains(out.function, ":") || (has_brackets && !has_extras))
    bad("the value is no object reference");
  return out;
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::vector<RecordRow> parse_record(std::string_view text, std::string_view name) {
  std::vector<RecordRow> rows;
  std::vector<std::string> fields(1);
  bool quoted_field = false;
  bool any = false;
  auto end_row = [&] {
    if (any) {
      if (fields.front().empty()) fail(ErrorCode::corrupt, name, "RECORD has a row without a path");
      fields.resize(std::max<std::size_t>(fields.size(), 3));
      rows.push_back({std::move(fields[0]), std::move(fields[1]), std::move(fields[2])});
    }
    fields.assign(1, std::string());
    any = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted_field) {
      if (c != '"') {
        if (c != '\n' && c != '\r') fields.back() += c;  // pip reads line by line
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        fields.back() += text[++i];
      } else {
        quoted_field = false;
      }
    } else if (c == '\n' || c == '\r') {
      end_row();
    } else {
      any = true;
      if (c == ',')
        fields.emplace_back();
      else if (c == '"' && fields.back().empty())
        quoted_field = true;
      else
        fields.back() += c;
    }
  }
  end_row();
  return rows;
}

std::string format_record(std::vector<RecordRow> rows) {
  std::ranges::sort(rows);
  std::string out;
  for (const RecordRow& row : rows)
    out += concat(csv_field(row.path), ',', csv_field(row.hash), ',', csv_field(row.size), "\r\n");
  return out;
}

std::vector<EntryPoint> parse_entry_points(std::string_view text, std::string_view section,
                                           std::string_view name) {
  std::vector<EntryPoint> out;
  bool inside = false;
  for (std::string_view line : split_lines(text)) {
    line = trim(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[' && line.back() == ']') {
      inside = line.substr(1, line.size() - 2) == section;
    } else if (inside) {
      EntryPoint entry = parse_entry_point(line, name);
      const auto same = std::ranges::find(out, entry.name, &EntryPoint::name);
      if (same == out.end())
        out.push_back(std::move(entry));
      else
        *same = std::move(entry);
    }
  }
  return out;
}

Wheel::Wheel(const fs::path& path) : zip_(path) {
  const std::string& file = zip_.name();
  const std::optional<WheelName> file_name = WheelName::parse(file);
  if (!file_name) fail(ErrorCode::corrupt, file, "its name is not that of a wheel");
  dist_info_ = find_dist_info(zip_, *file_name);
  const std::string wheel_file = read_metadata(zip_, dist_info_ + "/WHEEL");
  check_wheel_version(wheel_file, file);

  const std::string metadata = read_metadata(zip_, dist_info_ + "/METADATA");
  name_ = header(metadata, "name").value_or("");
  version_ = header(metadata, "version").value_or("");
  dependencies_ = dependencies_in(metadata);
  if (normal_package_name(name_) != normal_package_name(file_name->name) || version_.empty())
    fail(ErrorCode::corrupt, file, "METADATA does not have the project's name and a version");

  record_ = parse_record(read_metadata(zip_, dist_info_ + "/RECORD"), file);
  for (std::size_t i = 0; i < record_.size(); ++i) rows_.emplace(record_[i].path, i);
  if (zip_.find(dist_info_ + "/entry_points.txt") != nullptr) {
    const std::string entry_points = read_metadata(zip_, dist_info_ + "/entry_points.txt");
    console_scripts_ = parse_entry_points(entry_points, "console_scripts", file);
    gui_scripts_ = parse_entry_points(entry_points, "gui_scripts", file);
  }
}

std::string Wheel::read(const ZipEntry& entry) const {
  std::string content = zip_.read(entry);
  const auto row = rows_.find(entry.path);
  if (row == rows_.end()) return content;
  constexpr std::string_view kPrefix = "sha256=";
  const std::string& expected = record_[row->second].hash;
  if (!expected.starts_with(kPrefix)) return content;
  // Some tools pad the value although the specification says not to.
  std::string_view value = std::string_view(expected).substr(kPrefix.size());
  while (value.ends_with('=')) value.remove_suffix(1);
  if (value != to_base64url(sha256(content)))
    fail(ErrorCode::corrupt, zip_.name(),
         concat("the hash of ", entry.path, " is not the one in its RECORD"));
  return content;
}

}  // namespace dash::builder
