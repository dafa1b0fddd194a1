#include "builder/app/apt_files.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fcntl.h>

namespace dash::builder {

namespace {

// The name that is read first, then the spellings that documentation and users have made of it.
constexpr std::array<const char*, 4> kDebDirectories = {"dpkg-packages", "dkpg-packages", "dkpg-package",
                                                        "dpkg-package"};

// Names that people give the files, and the ones that are read.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kMisspelt = {{
    {"Aptfile", "apt-packages"},
    {"aptfile", "apt-packages"},
    {"apt-package", "apt-packages"},
    {"apt_packages", "apt-packages"},
    {"apt-packages.txt", "apt-packages"},
    {"apt.txt", "apt-packages"},
    {"apt-key", "apt-keys"},
    {"apt-repository", "apt-repositories"},
    {"apt-sources", "apt-sources-list"},
    {"apt-preference", "apt-preferences"},
}};

enum class Comments { whole_line, trailing };

// The lines that count: trimmed, without blank ones and comments.
std::vector<TextLine> lines_of(std::string_view text, Comments comments) {
  std::vector<TextLine> out;
  std::size_t number = 0;
  for (auto line : split_lines(text)) {
    ++number;
    line = trim(line);
    if (line.starts_with('#')) continue;
    if (comments == Comments::trailing)
      for (auto at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1))
        if (line[at - 1] == ' ' || line[at - 1] == '\t') {
          line = trim(line.substr(0, at));
          break;
        }
    if (!line.empty()) out.push_back({number, std::string(line)});
  }
  return out;
}

bool is_package_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

void check_package(std::string_view word, std::size_t number) {
  static constexpr const char* kFile = "apt-packages";
  const auto bad = [&](std::string_view what, std::string hint) {
    return line_error(kFile, number, concat(shown_line(word), what)).with_hint(std::move(hint));
  };
  if (is_conflict_marker(word))
    throw bad(" was left by a merge conflict", "resolve the conflict and remove the markers");
  if (word.starts_with('-'))
    throw bad(" looks like an option, but only package names can stand here",
              "settings go to the file apt-conf, for example: APT::Install-Recommends \"false\";");
  if (word.starts_with('/') || word.starts_with("./") || word.ends_with(".deb"))
    throw bad(" is a file, but only package names can stand here",
              "put .deb files into the directory dpkg-packages/");
  if (contains(word, "://"))
    throw bad(" is a URL, but only package names can stand here",
              "put .deb files into the directory dpkg-packages/; package sources go to apt-repositories");
  if (word.ends_with(',') || word.ends_with(';'))
    throw bad(" ends with a separator", "separate packages by blanks or put each on a line of its own");
  for (const std::string_view op : {">=", "<=", "==", "~=", "!=", ">", "<"})
    if (const auto at = word.find(op); at != std::string_view::npos)
      throw bad(concat(" holds ", quoted(op), ", which apt doesn't know"),
                concat("name one version, as in \"", word.substr(0, at), "=1.2.3-1\", or none"));
  // name[:architecture][=version | /release]; "*" and other patterns of apt in the name.
  const auto name = word.substr(0, word.find_first_of(":=/"));
  if (name != to_lower(name))
    throw bad(" has upper-case letters, which no package name has",
              concat("did you mean ", quoted(to_lower(word)), "?"));
  const auto is_name_char = [](char c) {
    return is_package_char(c) || contains("*?[]^$_", std::string_view(&c, 1));
  };
  const auto is_rest_char = [](char c) {
    return is_package_char(c) || (c >= 'A' && c <= 'Z') || contains(":=/~_*", std::string_view(&c, 1));
  };
  const auto rest = word.substr(name.size());
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_name_char) ||
      !std::all_of(rest.begin(), rest.end(), is_rest_char) || rest == "=" || rest == ":" || rest == "/")
    throw bad(" is not a package name",
              "write names as \"apt-cache search\" shows them, for example \"libpq-dev\"");
}

// The .deb files, and what was noticed about the directories' names.
void find_debs(const AppDirectory& app, AptFiles& out) {
  std::string used;
  for (const std::string name : kDebDirectories) {
    const auto kind = app.kind(name);
    if (kind == FileKind::missing) continue;
    if (kind != FileKind::directory)
      throw Error(ErrorCode::invalid_input, concat(name, " is a file, but must be a directory of .deb files"))
          .with_hint(
              "put the .deb files into a directory dpkg-packages/; names of packages go to the file "
              "apt-packages");
    if (!used.empty()) {
      out.warnings.push_back(concat(name, "/ is not used, because there is ", used, "/"));
      continue;
    }
    used = name;
    if (name != kDebDirectories.front())
      out.warnings.push_back(concat(name, "/ is used, but the right name is ", kDebDirectories.front(), "/"));
  }
  if (used.empty()) return;
  std::vector<std::string> pending = {used};
  while (!pending.empty()) {
    const auto directory = std::move(pending.back());
    pending.pop_back();
    for (const auto& name : app.names(directory)) {
      auto path = concat(directory, '/', name);
      const auto kind = app.kind(path);
      if (kind == FileKind::directory)
        pending.push_back(std::move(path));
      else if (kind == FileKind::file && name.ends_with(".deb"))
        out.debs.push_back(std::move(path));
    }
  }
  std::sort(out.debs.begin(), out.debs.end());
  if (out.debs.empty())
    out.warnings.push_back(concat(used, "/ holds no .deb file: nothing is installed from it"));
}

// A .deb is an ar archive (deb(5)); a checkout without git-lfs has small text files instead.
void check_deb(const AppDirectory& app, const std::string& path) {
  static constexpr std::string_view kMagic = "!<arch>\n";
  const auto fd = app.open(path, O_RDONLY | O_NONBLOCK);
  std::array<std::byte, kMagic.size()> start{};
  const auto count = fd ? FdSource(fd->get(), path).read(start) : 0;
  if (as_text(Bytes(start).first(count)) == kMagic) return;
  const bool lfs = as_text(Bytes(start).first(count)) == "version ";
  throw Error(ErrorCode::invalid_input, concat(path, " is not a Debian package"))
      .with_hint(lfs ? "it is a git-lfs pointer: fetch the real file with \"git lfs pull\""
                     : "replace it by the package, or remove it");
}

std::optional<std::string> normal_text(const AppDirectory& app, const std::string& name) {
  auto text = read_text(app, name, Utf16::decode);
  if (text) text = normal_lines(*text);
  return text;
}

FileLeaf text_leaf(const AppDirectory& app, const AptFiles& files, const std::string& name) {
  const std::vector<TextLine>* list = name == "apt-packages"       ? &files.packages
                                      : name == "apt-keys"         ? &files.keys
                                      : name == "apt-repositories" ? &files.repositories
                                      : name == "apt-debconf"      ? &files.debconf
                                                                   : nullptr;
  if (list == nullptr) return {name, sha256(normal_text(app, name).value_or("")), std::nullopt};
  std::vector<std::string> lines;
  for (const auto& line : *list) lines.push_back(line.text);
  FileLeaf out{name, sha256(join(lines, "\n")), std::nullopt};
  if (list != &files.debconf) out.lines = shown_lines(lines);
  return out;
}

}  // namespace

std::vector<TextLine> parse_apt_packages(std::string_view text) {
  std::vector<TextLine> out;
  for (const auto& line : lines_of(text, Comments::trailing))
    for (const auto word : split_words(line.text)) {
      check_package(word, line.number);
      out.push_back({line.number, std::string(word)});
    }
  return out;
}

std::vector<TextLine> parse_apt_keys(std::string_view text) {
  auto out = lines_of(text, Comments::trailing);
  for (const auto& line : out) {
    const auto bad = [&](std::string_view what) {
      return line_error("apt-keys", line.number, what)
          .with_hint("write one URL of a key per line, for example \"https://packages.example/key.asc\"");
    };
    if (line.text.starts_with("-----BEGIN")) throw bad("a key itself, where its URL is expected");
    const auto lower = to_lower(line.text);
    if (!lower.starts_with("https://") && !lower.starts_with("http://"))
      throw bad(concat(shown_line(line.text), " is not an http or https URL"));
    if (split_words(line.text).size() != 1) throw bad("more than one word");
  }
  return out;
}

std::vector<TextLine> parse_apt_repositories(std::string_view text) {
  auto out = lines_of(text, Comments::trailing);
  for (const auto& line : out) {
    const auto words = split_words(line.text);
    const bool is_source = words.front() == "deb" || words.front() == "deb-src";
    if (line.text.front() != '-' && (!is_source || words.size() >= 3)) continue;
    throw line_error("apt-repositories", line.number,
                     concat(shown_line(line.text),
                            is_source ? " lacks the URL or the suite of a source" : " looks like an option"))
        .with_hint(
            "write one source per line, for example \"deb https://packages.example/debian bookworm main\"");
  }
  return out;
}

std::vector<TextLine> parse_apt_debconf(std::string_view text) {
  auto out = lines_of(text, Comments::whole_line);
  for (const auto& line : out)
    if (split_words(line.text).size() < 3)
      throw line_error("apt-debconf", line.number,
                       "fewer than three words (the line may hold a secret and is not shown)")
          .with_hint(
              "a line reads PACKAGE QUESTION TYPE VALUE, for example \"tzdata tzdata/Areas select Europe\"");
  return out;
}

AptFiles read_apt_files(const AppDirectory& app) {
  AptFiles out;
  const auto text = [&](const char* name) {
    auto content = normal_text(app, name);
    if (content) out.present.emplace_back(name);
    return content;
  };
  const auto lines = [&](const char* name, auto parse) {
    const auto content = text(name);
    return content ? parse(*content) : std::vector<TextLine>();
  };
  out.conf = text("apt-conf");
  out.env = text("apt-env");
  out.keys = lines("apt-keys", parse_apt_keys);
  out.preferences = text("apt-preferences");
  out.sources_list = text("apt-sources-list");
  out.repositories = lines("apt-repositories", parse_apt_repositories);
  out.debconf = lines("apt-debconf", parse_apt_debconf);
  out.packages = lines("apt-packages", parse_apt_packages);
  find_debs(app, out);
  for (const auto& deb : out.debs) check_deb(app, deb);
  for (const auto& [wrong, right] : kMisspelt)
    if (app.has_file(std::string(wrong)) && !app.has_file(std::string(right)))
      out.warnings.push_back(concat(wrong, " is not read; rename it to ", right));
  return out;
}

std::vector<FileLeaf> apt_leaves(const AppDirectory& app, const AptFiles& files, ThreadPool& pool,
                                 std::stop_token stop) {
  std::vector<FileLeaf> out;
  for (const auto& name : files.present) out.push_back(text_leaf(app, files, name));
  const auto texts = out.size();
  for (const auto& deb : files.debs) out.push_back({deb, {}, std::nullopt});
  pool.for_each(files.debs.size(), [&](std::size_t i) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "canceled while reading dpkg-packages");
    out[texts + i].digest = app.digest(files.debs[i]);
  });
  return out;
}

}  // namespace dash::builder
