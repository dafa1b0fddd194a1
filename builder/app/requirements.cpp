#include "builder/app/requirements.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/requirements_syntax.hpp"
#include "builder/app/source_tree.hpp"
#include "builder/app/text_file.hpp"
#include "builder/image_config.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

namespace dash::builder {

namespace {

using Entry = RequirementsEntry;
using Kind = RequirementsEntry::Kind;

constexpr std::size_t kMaxFiles = 1000;
constexpr std::size_t kMaxDepth = 50;

enum class Role { requirements, constraints };

// "sub/base.txt" → "sub/", "base.txt" → "".
std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

class Collector {
 public:
  Collector(const AppDirectory& app, const std::map<std::string, std::string>& variables)
      : app_(app), variables_(variables) {}

  RequirementsFiles run(const std::string& file) {
    if (!visit(file, Role::requirements))
      throw Error(ErrorCode::invalid_input, concat("there is no ", file, " in ", app_.path().string()))
          .with_hint("add the file, with the app's packages, one per line");
    std::sort(out_.local.begin(), out_.local.end(), [](const auto& a, const auto& b) {
      return std::tie(a.path, a.place) < std::tie(b.path, b.place);
    });
    for (auto& [name, package] : packages_) out_.packages.push_back(std::move(package));
    make_set(out_.variables);
    make_set(out_.repositories);
    return std::move(out_);
  }

 private:
  template <class T>
  static void make_set(std::vector<T>& items) {
    std::sort(items.begin(), items.end());
    items.erase(std::unique(items.begin(), items.end()), items.end());
  }

  // False when the file does not exist.
  bool visit(const std::string& file, Role role) {
    auto bytes = app_.read(file);
    if (!bytes) return false;
    // pip and uv read UTF-16 with a mark too.
    const auto parsed = parse_requirements(decode_text(std::move(*bytes), file, Utf16::decode), file);
    const RequirementsFile record{file, sha256(join(parsed.lines, "\n")), shown_lines(parsed.lines)};
    if (std::find(out_.files.begin(), out_.files.end(), record) == out_.files.end())
      out_.files.push_back(record);
    if (out_.files.size() > kMaxFiles)
      throw Error(ErrorCode::invalid_input,
                  concat(file, " is one of more than ", kMaxFiles, " requirements files"))
          .with_hint("merge the files");
    visited_.emplace_back(file, role);
    stack_.push_back(file);
    out_.variables.insert(out_.variables.end(), parsed.variables.begin(), parsed.variables.end());
    for (const auto& entry : parsed.entries) use(file, entry, role);
    stack_.pop_back();
    return true;
  }

  void add_line(const std::string& file, const Entry& entry, Role role, std::string text) {
    const auto place = concat(file, ':', entry.line);
    if (role == Role::requirements && !entry.name.empty())
      packages_.emplace(entry.name, RequestedPackage{entry.name, place});
    RequirementLine line;
    line.role =
        role == Role::requirements ? RequirementLine::Role::install : RequirementLine::Role::constrain;
    line.name = entry.name;
    line.place = place;
    line.pin = entry.pin == Entry::Pin::exact ? RequirementLine::Pin::exact : RequirementLine::Pin::none;
    // pip takes the hash in an archive's URL for one of --hash.
    if (entry.kind == Kind::url || entry.kind == Kind::path)
      for (const auto part : split(std::string_view(text).substr(std::min(text.find('#'), text.size())), '&'))
        if (const auto hash = hash_in(part.substr(part.starts_with('#') ? 1 : 0), '='))
          line.hashes.push_back(*hash);
    line.text = std::move(text);
    out_.lines.push_back(std::move(line));
  }

  // "sha256:2cf2…"; nothing for other algorithms, other lengths and what is no hash at all.
  static std::optional<FileHash> hash_in(std::string_view text, char separator) {
    const auto at = text.find(separator);
    if (at == std::string_view::npos) return std::nullopt;
    FileHash out{to_lower(text.substr(0, at)), to_lower(trim(text.substr(at + 1)))};
    if (const auto blank = out.hex.find_first_of(" ;"); blank != std::string::npos) out.hex.resize(blank);
    const std::size_t digits = out.algorithm == "sha256"   ? 64
                               : out.algorithm == "sha384" ? 96
                               : out.algorithm == "sha512" ? 128
                                                           : 0;
    const bool valid = digits == out.hex.size() && digits > 0 &&
                       out.hex.find_first_not_of("0123456789abcdef") == std::string::npos;
    return valid ? std::optional(out) : std::nullopt;
  }

  // The hash belongs to the requirement before it, which stands on the same line.
  void add_hash(const std::string& file, const Entry& entry) {
    const auto hash = hash_in(entry.value, ':');
    if (!hash)
      throw line_error(file, entry.line, concat("--hash=", entry.value, " is no SHA-256, SHA-384 or SHA-512"))
          .with_hint("such a hash has 64, 96 or 128 hex digits, for example as \"pip hash FILE\" prints it");
    out_.lines.back().hashes.push_back(*hash);
    make_hashes_obligatory(file, entry);
  }

  void make_hashes_obligatory(const std::string& file, const Entry& entry) {
    if (out_.hashes_place.empty()) out_.hashes_place = concat(file, ':', entry.line);
  }

  void use(const std::string& file, const Entry& entry, Role role) {
    switch (entry.kind) {
      case Kind::vcs:
        use_repository(file, entry);
        add_line(file, entry, role, entry.text);
        break;
      case Kind::path:
        use_path(file, entry, role);
        break;
      case Kind::include:
        include(file, entry, role);
        break;
      case Kind::constraint:
        include(file, entry, Role::constraints);
        break;
      case Kind::index_url:
        if (!out_.index.extra_index_urls.empty())
          out_.warnings.push_back(concat(file, ':', entry.line,
                                         ": --index-url replaces the --extra-index-url ",
                                         "lines before it, as in pip; put it first to use both"));
        out_.index.extra_index_urls.clear();
        out_.index.index_url = entry.value;
        break;
      case Kind::extra_index_url:
        out_.index.extra_index_urls.push_back(entry.value);
        break;
      case Kind::no_index:
        out_.index.index = IndexSettings::Index::none;
        break;
      case Kind::find_links:
        use_links(file, entry);
        break;
      case Kind::trusted_host:
        out_.index.trusted_hosts.push_back(entry.value);
        break;
      case Kind::package:
      case Kind::url:
        add_line(file, entry, role, entry.text);
        break;
      case Kind::hash:
        add_hash(file, entry);
        break;
      case Kind::binary:
        out_.binary_options.push_back(entry.value);
        break;
      case Kind::pre:
        out_.pre_releases = RequirementsFiles::PreReleases::yes;
        break;
      case Kind::require_hashes:
        make_hashes_obligatory(file, entry);
        break;
      case Kind::unused:
        out_.warnings.push_back(concat(file, ':', entry.line, ": ", entry.value, " has no effect here"));
        break;
    }
  }

  void include(const std::string& file, const Entry& entry, Role role) {
    if (contains(entry.value, "://"))
      throw line_error(file, entry.line,
                       concat("a requirements file can't be included from ", shown_line(entry.value)))
          .with_hint("copy the file into the app and include it by its path");
    const auto path = inside(file, entry, directory_of(file), expanded(file, entry));
    if (std::find(stack_.begin(), stack_.end(), path) != stack_.end())
      throw line_error(file, entry.line, concat("an endless inclusion: ", chain_to(path)))
          .with_hint("remove one of the -r or -c lines");
    if (stack_.size() >= kMaxDepth)
      throw line_error(file, entry.line, "requirements files nested too deeply")
          .with_hint("include fewer levels");
    if (std::find(visited_.begin(), visited_.end(), std::pair(path, role)) != visited_.end()) return;
    if (!visit(path, role))
      throw line_error(file, entry.line, concat("there is no file ", quoted(path), " to include"))
          .with_hint(concat("the path is relative to the directory of ", file,
                            "; add the file or correct the line"));
  }

  // "a.txt includes b.txt includes a.txt"
  std::string chain_to(const std::string& path) const {
    std::string out;
    for (auto at = std::find(stack_.begin(), stack_.end(), path); at != stack_.end(); ++at)
      out += concat(*at, " includes ");
    return out + path;
  }

  // Whether the repository can be read at all; a local one is noted.
  void use_repository(const std::string& file, const Entry& entry) {
    out_.vcs_places.push_back(concat(file, ':', entry.line));
    const auto scheme = to_lower(entry.value.substr(0, entry.value.find(':')));
    if (!scheme.starts_with("git+"))
      throw Error(ErrorCode::unsupported, concat(file, ':', entry.line, ": ", shown_line(entry.value),
                                                 ": only git repositories can be used"))
          .with_hint("name a git repository, an archive's URL, or a release on a package index");
    if (scheme == "git+ssh" || scheme == "git+git")
      throw Error(ErrorCode::unsupported,
                  concat(file, ':', entry.line, ": ", shown_line(entry.value), ": builds have no ",
                         scheme == "git+ssh" ? "ssh keys" : "git:// access"))
          .with_hint(
              "use https, with a token from a variable for a private repository: "
              "git+https://${GIT_TOKEN}@git.example/team/project.git");
    if (scheme != "git+file") return;
    auto path = expanded(file, entry).substr(scheme.size() + 1);
    path.resize(std::min(path.find('#'), path.size()));
    if (path.starts_with("//")) path.erase(0, 2);
    if (const auto at = path.rfind('@'); at != std::string::npos && at > path.rfind('/')) path.resize(at);
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    for (const auto* end : {"", ".git"})
      if (const fs::path repository = path + end;
          path.starts_with('/') && path.size() > 1 && is_repository(repository)) {
        out_.repositories.push_back(repository);
        return;
      }
    throw line_error(file, entry.line,
                     concat("there is no git repository at ", quoted(path), " on this machine"))
        .with_hint("name the repository by its absolute path, for example git+file:///srv/git/project.git");
  }

  static bool is_repository(const fs::path& path) {
    boost::system::error_code absent;
    return fs::exists(path / ".git", absent) || fs::exists(path / "HEAD", absent);
  }

  // A path of the app as uv sees it.
  static std::string app_url(std::string_view path) {
    std::string out = concat("file://", kAppDirectory);
    if (path != ".") out += '/';
    for (const char c : path == "." ? "" : path) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                         contains("/._-~+!=", std::string_view(&c, 1));
      out += plain ? std::string(1, c) : concat('%', to_hex(std::array{static_cast<std::uint8_t>(c)}));
    }
    return out;
  }

  void use_path(const std::string& file, const Entry& entry, Role role) {
    const auto path = inside(file, entry, "", without_scheme(file, entry));
    const auto kind = app_.kind(path);
    if (kind == FileKind::missing) {
      const auto beside = normal_path(directory_of(file) + path);
      const bool is_beside = beside && *beside != path && app_.kind(*beside) != FileKind::missing;
      throw line_error(file, entry.line, concat("there is no ", quoted(path), " in the app"))
          .with_hint(is_beside
                         ? concat("local paths are relative to the app's root: write \"./", *beside, "\"")
                         : "add the file or directory to the app, or correct the path (it is relative to the "
                           "app's root)");
    }
    const bool editable = entry.mode == Entry::Mode::editable;
    if (kind == FileKind::file && editable)
      throw line_error(file, entry.line, concat(quoted(path), " is a file: only directories can be editable"))
          .with_hint("drop the -e");
    if (kind == FileKind::directory && !app_.has_file(concat(path, "/pyproject.toml")) &&
        !app_.has_file(concat(path, "/setup.py")))
      throw line_error(file, entry.line,
                       concat("the directory ", quoted(path),
                              " is no package: it has neither pyproject.toml nor setup.py"))
          .with_hint(
              "name the directory that has one, or remove the line: the app's own modules need no "
              "requirement");
    out_.local.push_back({path, kind, editable ? LocalSource::Use::editable : LocalSource::Use::install,
                          concat(file, ':', entry.line)});
    auto text = entry.text;  // "NAME[EXTRAS] @ PATH…" or "PATH…"
    const auto target = text.find(entry.value, entry.name.empty() ? 0 : text.find('@') + 1);
    add_line(file, entry, role, text.replace(target, entry.value.size(), app_url(path)));
  }

  // As pip does: beside the file first, then from the app's root.
  void use_links(const std::string& file, const Entry& entry) {
    if (contains(entry.value, "://") && !entry.value.starts_with("file:")) {
      out_.index.find_links.push_back(entry.value);
      return;
    }
    const auto written = without_scheme(file, entry);
    auto path = inside(file, entry, directory_of(file), written);
    if (app_.kind(path) == FileKind::missing) path = inside(file, entry, "", written);
    const auto kind = app_.kind(path);
    if (kind == FileKind::missing)
      throw line_error(file, entry.line, concat("there is no directory ", quoted(path), " for --find-links"))
          .with_hint("add the directory with the packages to the app, or correct the path");
    out_.local.push_back({path, kind, LocalSource::Use::find_links, concat(file, ':', entry.line)});
  }

  // The value with its "${NAME}" replaced; one that has no value would make the path unknown.
  std::string expanded(const std::string& file, const Entry& entry) const {
    std::string out;
    std::string_view rest = entry.value;
    for (;;) {
      const auto start = rest.find("${");
      const auto end = start == std::string_view::npos ? start : rest.find('}', start);
      if (end == std::string_view::npos) return out += rest;
      const auto name = std::string(rest.substr(start + 2, end - start - 2));
      const auto value = variables_.find(name);
      if (value == variables_.end() || value->second.empty())
        throw line_error(file, entry.line,
                         concat("the variable ", name, " in the path ", quoted(entry.value), " is not set"))
            .with_hint(concat("set ", name, " for the build, or write the path itself"));
      out += rest.substr(0, start);
      out += value->second;
      rest.remove_prefix(end + 1);
    }
  }

  // The path in "file:…"; absolute ones name places outside of the app.
  std::string without_scheme(const std::string& file, const Entry& entry) const {
    auto path = expanded(file, entry);
    if (to_lower(path).starts_with("file:")) path.erase(0, 5);
    return path.starts_with("//") ? path.substr(2) : path;
  }

  // The normal form of a path that stays in the app; `directory` is what it is relative to.
  std::string inside(const std::string& file, const Entry& entry, const std::string& directory,
                     const std::string& path) const {
    const bool foreign =
        path.starts_with('/') || path.starts_with('~') || (path.size() > 1 && path[1] == ':');
    const auto normal = foreign ? std::nullopt : normal_path(directory + path);
    if (!normal || app_.leads_out(*normal))
      throw line_error(file, entry.line, concat(quoted(entry.value), " is outside of the app directory"))
          .with_hint(
              "copy it into the app and name it by a relative path, for example \"./wheels/mypackage.whl\"");
    return *normal;
  }

  const AppDirectory& app_;
  const std::map<std::string, std::string>& variables_;
  RequirementsFiles out_;
  std::map<std::string, RequestedPackage> packages_;  // by name
  std::vector<std::pair<std::string, Role>> visited_;
  std::vector<std::string> stack_;  // files that are being read
};

}  // namespace

RequirementsFiles collect_requirements(const AppDirectory& app, const std::string& file,
                                       const std::map<std::string, std::string>& variables) {
  return Collector(app, variables).run(file);
}

RequirementsFiles collect_project(const std::string& file) {
  RequirementsFiles out;
  out.local.push_back({".", FileKind::directory, LocalSource::Use::install, file});
  RequirementLine line;
  line.text = concat("file://", kAppDirectory);
  line.place = file;
  out.lines.push_back(std::move(line));
  return out;
}

std::vector<FileLeaf> requirements_leaves(const AppDirectory& app, const RequirementsFiles& files,
                                          const IgnoreRules& rules, ThreadPool& pool, std::stop_token stop) {
  std::vector<FileLeaf> out;
  for (const auto& file : files.files) out.push_back({file.path, file.digest, file.lines});
  std::string last;
  for (const auto& source : files.local) {
    if (source.path == last) continue;
    last = source.path;
    if (source.kind == FileKind::directory)
      out.push_back({concat(source.path, '/'),
                     SourceTree::scan_below(app, source.path, rules, stop).digest(app, pool, stop),
                     std::nullopt});
    else
      out.push_back({source.path, app.digest(source.path), std::nullopt});
  }
  return out;
}

}  // namespace dash::builder
