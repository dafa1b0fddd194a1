#include "builder/python/requirements.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/python/tags.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

namespace dash::builder {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{4} << 20;
constexpr std::size_t kMaxFiles = 1000;

// A path below the root in its shortest form, or nothing when it leaves the root.
std::optional<std::string> below_root(std::string_view base, std::string_view path) {
  if (path.starts_with("/app/") || path == "/app")
    base = "", path.remove_prefix(4);  // where the app is in the image
  else if (path.starts_with('/'))
    return std::nullopt;
  std::vector<std::string> parts;
  for (std::string_view text : {base, path})
    for (std::string_view part : split(text, '/')) {
      if (part.empty() || part == ".") continue;
      if (part != "..") {
        parts.emplace_back(part);
      } else {
        if (parts.empty()) return std::nullopt;
        parts.pop_back();
      }
    }
  return parts.empty() ? "." : join(parts, "/");
}

std::string directory_of(std::string_view file) {
  const std::size_t slash = file.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(file.substr(0, slash));
}

// The value of an option written as "-r x", "-rx", "--requirement x" or "--requirement=x".
std::optional<std::string_view> option_value(std::string_view line, std::string_view short_name,
                                             std::string_view long_name) {
  for (std::string_view name : {long_name, short_name}) {
    if (name.empty() || !line.starts_with(name)) continue;
    std::string_view rest = line.substr(name.size());
    if (name == long_name && !rest.empty() && rest.front() != '=' && rest.front() != ' ' &&
        rest.front() != '\t')
      continue;
    if (rest.starts_with('=')) rest.remove_prefix(1);
    return trim(rest);
  }
  return std::nullopt;
}

std::string_view without_comment(std::string_view line) {
  for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
    if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') return line.substr(0, at);
  return line;
}

bool is_url(std::string_view text) {
  return contains(text.substr(0, text.find_first_of("/ ")), ":");
}

bool is_local_path(std::string_view text) {
  return text.starts_with('.') || text.starts_with('/') || text.starts_with("file:") ||
         (contains(text, "/") && !is_url(text) && !contains(text, "@")) || text.ends_with(".whl") ||
         text.ends_with(".tar.gz") || text.ends_with(".zip");
}

class RequirementsReader {
 public:
  explicit RequirementsReader(const fs::path& root) : root_(root) {}

  enum class Role { requirements, constraints };

  void read(const std::string& file, Role role, const std::string& from) {
    if (!seen_.insert(file).second) return;
    if (seen_.size() > kMaxFiles)
      throw Error(ErrorCode::invalid_input, concat(from, ": more than ", kMaxFiles, " requirements files"));
    const std::optional<std::string> content = read_file_if_exists(root_ / file, kMaxFile);
    if (!content)
      throw Error(ErrorCode::invalid_input, from.empty()
                                                ? concat("there is no ", file, " in the app")
                                                : concat(from, " names ", file, ", which does not exist"))
          .with_hint(
              "Paths in requirements files are relative to the file that names them. Add the file or the "
              "right path.");
    std::string logical;
    std::size_t number = 0;
    std::size_t start = 0;
    for (std::string_view line : split_lines(*content)) {
      ++number;
      if (logical.empty()) start = number;
      if (line.ends_with('\\') && !trim(line).starts_with('#')) {
        logical += line.substr(0, line.size() - 1);
        continue;
      }
      logical += line;
      add_line(trim(without_comment(logical)), file, role, concat(file, ':', start));
      logical.clear();
    }
    if (!logical.empty()) add_line(trim(without_comment(logical)), file, role, concat(file, ':', start));
  }

  Requirements finish() {
    out_.files.assign(seen_.begin(), seen_.end());
    out_.local_paths.assign(local_.begin(), local_.end());
    return std::move(out_);
  }

 private:
  void add_line(std::string_view line, const std::string& file, Role role, const std::string& where) {
    if (line.empty()) return;
    if (const auto nested = option_value(line, "-r", "--requirement"))
      return include(*nested, file, role, where);
    if (const auto nested = option_value(line, "-c", "--constraint"))
      return include(*nested, file, Role::constraints, where);
    if (const auto links = option_value(line, "-f", "--find-links")) {
      if (!is_url(*links)) add_local(*links);
      return;
    }
    std::string_view requirement = line;
    if (const auto editable = option_value(line, "-e", "--editable"))
      requirement = *editable;
    else if (line.starts_with('-'))
      return;  // options for uv
    if (role == Role::requirements) add_requirement(requirement, where);
  }

  void include(std::string_view target, const std::string& file, Role role, const std::string& where) {
    if (is_url(target)) return;  // uv reads it
    const std::optional<std::string> path = below_root(directory_of(file), target);
    if (!path)
      throw Error(ErrorCode::invalid_input,
                  concat(where, " names ", quoted(target), ", which is outside of the app"))
          .with_hint("Only the app's directory is part of a build. Copy the file into it.");
    read(*path, role, where);
  }

  void add_local(std::string_view path) {
    if (path.starts_with("file://")) path.remove_prefix(7);
    // pip takes paths of requirements relative to the working directory, which is the app's root.
    if (const auto local = below_root("", path); local && fs::exists(root_ / *local)) local_.insert(*local);
  }

  void add_requirement(std::string_view text, const std::string& where) {
    Requirement out;
    out.where = where;
    const std::vector<std::string_view> words = split_words(text);
    std::string kept;
    for (std::size_t i = 0; i < words.size(); ++i) {
      constexpr std::string_view kHash = "--hash";
      if (!words[i].starts_with("--")) {
        kept += kept.empty() ? "" : " ";
        kept += words[i];
        continue;
      }
      if (!words[i].starts_with(kHash)) break;
      std::string_view value = words[i].substr(kHash.size());
      if (value.empty() && i + 1 < words.size()) value = words[++i];
      if (value.starts_with('=')) value.remove_prefix(1);
      if (value.starts_with("sha256:"))
        if (const auto hash = sha256_from_hex(to_lower(value.substr(7)))) out.hashes.push_back(*hash);
    }
    out.text = kept;
    std::string_view target = kept;
    const std::size_t marker = target.find(';');
    target = trim(target.substr(0, marker));
    if (const std::size_t at = target.find('@'); at != std::string_view::npos &&
                                                 !is_url(target.substr(0, at)) &&
                                                 !contains(target.substr(0, at), "/")) {
      out.name = name_of(target.substr(0, at));
      target = trim(target.substr(at + 1));
      if (is_local_path(target)) add_local(target);
    } else if (is_local_path(target)) {
      add_local(target.substr(0, target.find('[')));
    } else if (!is_url(target)) {
      out.name = name_of(target);
    } else if (const std::size_t egg = target.find("#egg="); egg != std::string_view::npos) {
      out.name = name_of(target.substr(egg + 5));
    }
    out_.items.push_back(std::move(out));
  }

  static std::string name_of(std::string_view text) {
    return normalized_name(trim(text.substr(0, text.find_first_of("=<>!~[ ;(&,\t"))));
  }

  const fs::path& root_;
  std::set<std::string> seen_;
  std::set<std::string> local_;
  Requirements out_;
};

}  // namespace

Requirements read_requirements(const fs::path& root, const std::string& file) {
  RequirementsReader reader(root);
  reader.read(file, RequirementsReader::Role::requirements, "");
  return reader.finish();
}

}  // namespace dash::builder
