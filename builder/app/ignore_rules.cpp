#include "builder/app/ignore_rules.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

constexpr const char* kSlugFile = ".slugignore";
constexpr const char* kDockerFile = ".dockerignore";

Glob compile(std::string_view pattern, Glob::Dialect dialect, std::string_view file, std::size_t number) {
  if (auto glob = Glob::compile(pattern, dialect)) return std::move(*glob);
  throw line_error(file, number, concat("the '[' in ", shown_line(pattern), " is never closed"))
      .with_hint("close the set of characters with ']', or write '\\[' for the character itself");
}

// Go's filepath.Clean for a pattern, and its leading "/" dropped: patterns are relative to the root.
std::string cleaned(std::string_view pattern) {
  std::vector<std::string> parts;
  for (const auto part : split(pattern, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..")
      parts.pop_back();
    else if (part != ".." || !pattern.starts_with('/'))
      parts.emplace_back(part);
  }
  return join(parts, "/");
}

}  // namespace

// https://devcenter.heroku.com/articles/slug-compiler: like .gitignore, without negation.
void IgnoreRules::add_slug_line(std::string_view line, std::size_t number) {
  if (line.starts_with('#')) return;
  auto pattern = trim(line);
  if (pattern.empty()) return;
  if (pattern.starts_with('!')) {
    warnings_.push_back(concat(kSlugFile, ":", number, ": ", shown_line(pattern),
                               " has no effect: this file knows no exceptions (.dockerignore does)"));
    return;
  }
  const bool directories_only = pattern.ends_with('/');
  while (pattern.ends_with('/')) pattern.remove_suffix(1);
  if (pattern.empty()) return;
  slug_.push_back({compile(pattern, Glob::Dialect::slug, kSlugFile, number), directories_only});
}

// https://docs.docker.com/build/concepts/context/#dockerignore-files and moby's patternmatcher.
void IgnoreRules::add_docker_line(std::string_view line, std::size_t number) {
  if (line.starts_with('#')) return;
  auto pattern = trim(line);
  if (pattern.empty()) return;
  const bool exception = pattern.starts_with('!');
  if (exception) pattern = trim(pattern.substr(1));
  if (pattern.empty())
    throw line_error(kDockerFile, number, "'!' without a pattern")
        .with_hint("write the path that stays in the image after it, for example \"!data/cities.csv\"");
  const auto path = cleaned(pattern);
  if (path.empty()) return;  // "/" and "." name the root itself, which moby never asks about
  docker_.push_back({compile(path, Glob::Dialect::docker, kDockerFile, number), exception});
  has_exceptions_ = has_exceptions_ || exception;
}

IgnoreRules IgnoreRules::parse(std::string_view slugignore, std::string_view dockerignore) {
  IgnoreRules out;
  std::size_t number = 0;
  for (const auto line : split_lines(slugignore)) out.add_slug_line(line, ++number);
  number = 0;
  for (const auto line : split_lines(dockerignore)) out.add_docker_line(line, ++number);
  return out;
}

IgnoreRules IgnoreRules::read(const AppDirectory& app) {
  return parse(read_text(app, kSlugFile, Utf16::decode).value_or(""),
               read_text(app, kDockerFile, Utf16::decode).value_or(""));
}

IgnoreRules::Verdict IgnoreRules::root() const {
  Verdict out;
  out.matched_.assign(docker_.size(), 0);
  return out;
}

IgnoreRules::Verdict IgnoreRules::judge(const Verdict& parent, std::string_view path, EntryType type) const {
  Verdict out;
  out.slug_ =
      parent.slug_ || std::any_of(slug_.begin(), slug_.end(), [&](const SlugPattern& pattern) {
        return (!pattern.directories_only || type == EntryType::directory) && pattern.glob.matches(path);
      });
  // The last pattern that matches decides; one that matches a directory matches everything in it.
  out.matched_ = parent.matched_;
  for (std::size_t i = 0; i < docker_.size(); ++i) {
    if (out.matched_[i] == 0 && docker_[i].glob.matches(path)) out.matched_[i] = 1;
    if (out.matched_[i] != 0) out.docker_ = !docker_[i].exception;
  }
  return out;
}

}  // namespace dash::builder
