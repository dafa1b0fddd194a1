#include "builder/app/build_hooks.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

namespace dash::builder {

namespace {

constexpr const char* kNltkFile = "nltk.txt";
constexpr const char* kManage = "manage.py";
constexpr int kManageDepth = 2;  // directories between it and the root

bool is_kept(const IgnoreRules& rules, const std::string& path) {
  auto verdict = rules.root();
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
    verdict = rules.judge(verdict, path.substr(0, slash), EntryType::directory);
  return !rules.judge(verdict, path, EntryType::file).ignored();
}

bool is_executable(const AppDirectory& app, const std::string& path) {
  const auto fd = app.open(path, O_RDONLY | O_NONBLOCK);
  struct stat info {};
  if (!fd || ::fstat(fd->get(), &info) != 0) throw system_error(concat("cannot look at ", path), errno);
  return (info.st_mode & S_IXUSR) != 0;
}

BuildHooks::Hook find_hook(const AppDirectory& app, const IgnoreRules& rules, const std::string& path,
                           std::vector<std::string>& notes) {
  if (app.kind(path) == FileKind::directory)
    throw Error(ErrorCode::invalid_input, concat(path, " is a directory, not a program"))
        .with_hint("a script of this name runs during the build; rename the directory if it is not meant");
  if (!app.has_file(path) || !is_kept(rules, path)) return BuildHooks::Hook::absent;
  const auto text = app.read(path).value_or("");
  const auto first = std::string_view(text).substr(0, text.find('\n'));
  if (first.starts_with("#!") && first.ends_with('\r'))
    throw line_error(path, 1, "the line ends with CR LF, so that its program can't be found")
        .with_hint(
            "save the file with LF line ends (and keep git from changing them: a line \"bin/* text eol=lf\" "
            "in .gitattributes)");
  if (!is_executable(app, path))
    notes.push_back(concat(path, " is not executable; it runs nevertheless ('git update-index --chmod=+x ",
                           path, "' sets the bit)"));
  return BuildHooks::Hook::present;
}

std::string find_manage_py(const AppDirectory& app, const IgnoreRules& rules) {
  std::vector<std::string> level = {""};
  for (int depth = 0; depth <= kManageDepth; ++depth) {
    std::vector<std::string> next;
    for (const auto& directory : level) {
      const auto manage = directory + kManage;
      if (app.has_file(manage) && is_kept(rules, manage)) return manage;
      if (depth == kManageDepth) continue;
      for (const auto& name : app.names(directory.empty() ? "." : directory))
        if (name != ".git" && !app.leads_out(directory + name) &&
            app.kind(directory + name) == FileKind::directory)
          next.push_back(concat(directory, name, '/'));
    }
    level = std::move(next);
  }
  return {};
}

}  // namespace

std::vector<std::string> parse_nltk_txt(std::string_view text) {
  std::vector<std::string> out;
  std::size_t number = 0;
  for (const auto line : split_lines(text)) {
    ++number;
    for (const auto word : split_words(line)) {
      if (word.starts_with('#')) break;
      const auto is_name = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               c == '-' || c == '.' || c == '/';
      };
      if (word.starts_with('-') || !std::all_of(word.begin(), word.end(), is_name))
        throw line_error(kNltkFile, number, concat(shown_line(word), " is not the name of an NLTK package"))
            .with_hint("write one name per line, for example \"punkt\" or \"stopwords\"");
      out.emplace_back(word);
    }
  }
  return out;
}

BuildHooks read_build_hooks(const AppDirectory& app, const IgnoreRules& rules) {
  BuildHooks out;
  out.pre_compile = find_hook(app, rules, kPreCompileHook, out.notes);
  out.post_compile = find_hook(app, rules, kPostCompileHook, out.notes);
  out.manage_py = find_manage_py(app, rules);
  if (app.kind(".heroku/collectstatic_disabled") == FileKind::file)
    out.collectstatic = BuildHooks::Collectstatic::disabled;
  if (const auto text = read_text(app, kNltkFile, Utf16::decode)) out.nltk_packages = parse_nltk_txt(*text);
  return out;
}

}  // namespace dash::builder
