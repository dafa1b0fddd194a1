#include "builder/app/detection.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace dash::builder {

namespace {

struct Rule {
  const char* file;
  Buildpack buildpack;
};

constexpr std::array<Rule, 5> kRules = {{{"conda-requirements.txt", Buildpack::conda},
                                         {"conda-runtime.txt", Buildpack::conda},
                                         {kRequirementsFile, Buildpack::python},
                                         {"setup.py", Buildpack::python},
                                         {"pyproject.toml", Buildpack::python}}};

constexpr std::array<std::string_view, 14> kMisspelt = {
    "requirement.txt",   "requirements.text", "requirments.txt",      "requirements.in",   "requirements",
    "reqs.txt",          "require.txt",       "requirements.txt.txt", "requierements.txt", "requirements.tx",
    "requirements .txt", "requirements-txt",  "requirements_txt",     "requirements.md"};

// The kind of something that is only mentioned: what can't be looked at counts as missing.
FileKind safe_kind(const AppDirectory& app, const std::string& name) {
  try {
    return app.kind(name);
  } catch (const Error&) {
    return FileKind::missing;
  }
}

// The names of a directory, folders with a "/", as many as a person wants to read.
std::string shown_names(const AppDirectory& app, const std::vector<std::string>& names) {
  static constexpr std::size_t kMaxShown = 12;
  std::vector<std::string> shown;
  for (const auto& name : names) {
    if (shown.size() == kMaxShown) break;
    shown.push_back(safe_kind(app, name) == FileKind::directory ? concat(name, '/') : name);
  }
  auto out = join(shown, ", ");
  if (names.size() > kMaxShown) out += concat(" and ", names.size() - kMaxShown, " more");
  return out;
}

// What the person most likely has to do, judged by the names that are there.
std::string hint_for(const AppDirectory& app, const std::vector<std::string>& names) {
  for (const auto& name : names) {
    const auto lower = to_lower(name);
    if (name == kRequirementsFile && safe_kind(app, name) == FileKind::directory)
      return "requirements.txt is a directory: put the packages, one per line, into a file of this name";
    if (std::find(kMisspelt.begin(), kMisspelt.end(), lower) != kMisspelt.end() || lower == kRequirementsFile)
      return concat("rename ", quoted(name), " to 'requirements.txt'");
    if (lower == "environment.yml" || lower == "environment.yaml")
      return concat(quoted(name),
                    " is not read: write the packages to conda-requirements.txt (conda list --export) ",
                    "or requirements.txt (pip freeze)");
  }
  for (const auto& name : names) {
    if (safe_kind(app, name) != FileKind::directory) continue;
    for (const auto& rule : kRules)
      if (const auto below = concat(name, '/', rule.file); safe_kind(app, below) == FileKind::file)
        return concat(quoted(below), " exists: give the directory ", (app.path() / name).string(),
                      " instead");
  }
  return "add a requirements.txt with the app's packages, one per line, for example \"dash==3.2.0\"";
}

}  // namespace

std::string Detection::rule() const {
  return concat(buildpack == Buildpack::conda ? "conda: " : "python: ", file);
}

Detection detect_buildpack(const AppDirectory& app) {
  for (const auto& rule : kRules) {
    if (!app.has_file(rule.file)) continue;
    Detection out{rule.buildpack, rule.file, {}};
    for (const char* name : {"Dockerfile", ".buildpacks"})
      if (app.has_file(name))
        out.notes.push_back(concat(name, " is not used: the app is built by its ", rule.file));
    if (out.buildpack == Buildpack::conda && app.has_file("runtime.txt"))
      out.notes.emplace_back("runtime.txt is not used: a conda app's Python comes from conda");
    return out;
  }
  if (app.has_file("Pipfile"))
    throw Error(ErrorCode::unsupported, "the app's packages are in a Pipfile, which is not supported yet")
        .with_hint("export it with \"pipenv requirements > requirements.txt\" and commit that file");
  const auto names = app.names();
  if (names.empty())
    throw Error(ErrorCode::invalid_input, concat("the app directory ", app.path().string(), " is empty"))
        .with_hint("give the directory that holds the app's source");
  std::string looked_for;
  for (const auto& rule : kRules) looked_for += concat(rule.file, ", ");
  throw Error(ErrorCode::invalid_input, concat("no buildpack fits ", app.path().string(), ": looked for ",
                                               looked_for, "Pipfile; found ", shown_names(app, names)))
      .with_hint(hint_for(app, names));
}

}  // namespace dash::builder
