#include "builder/python/check_lock.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"
#include "builder/python/hash_pins.hpp"
#include "builder/python/stand_in_wheel.hpp"
#include "builder/python/uv_compile.hpp"
#include "builder/python/uv_run.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

// A package that nobody has; its stand-in requires the Python that the lock requires.
constexpr const char* kInterpreter = "dash-build-interpreter-of-the-lock";
// A directory's version is known only when it is built, and any will do.
constexpr const char* kUnknownVersion = "0";

bool names_url(const RequirementLine& line) {
  return contains(line.text, "://");
}

// "NAME ; MARKER" of "NAME @ URL ; MARKER": whether the package is asked for at all.
std::string without_url(const RequirementLine& line) {
  const auto marker = line.text.find(" ;");
  return marker == std::string::npos ? line.name : concat(line.name, line.text.substr(marker));
}

std::string revision_of(std::string_view url) {
  url = url.substr(0, url.find_first_of("#; "));
  const auto at = url.rfind('@');
  return at == std::string_view::npos || at < url.rfind('/') ? "" : std::string(url.substr(at + 1));
}

// The URL of "NAME @ URL ; MARKER" and what follows it; of a line without a name all of it.
std::string_view url_of(const RequirementLine& line) {
  const std::string_view text = line.text;
  const auto at = text.find('@');
  return at < text.find("://") ? trim(text.substr(at + 1)) : text;
}

class LockCheck {
 public:
  LockCheck(const Workbench& bench, const ResolveRequest& request, const Lock& lock, const std::string& place)
      : request_(request), lock_(lock), place_(place), uv_(bench, request, settings_) {
    make_directories(uv_.directory() / "lock");
    for (const auto& package : lock.packages)
      add_stand_in(package.name, package.version.empty() ? kUnknownVersion : package.version, "");
    for (const auto& [name, version] : request.installed)
      if (find(name) == nullptr) add_stand_in(name, version, "");
    add_stand_in(kInterpreter, "1", lock.requires_python);
    for (const auto& line : request.requirements.lines)
      if (line.role == RequirementLine::Role::constrain) limits_.push_back(line);
    limits_.insert(limits_.end(), request.settings.constraints.begin(), request.settings.constraints.end());
  }

  void run() {
    std::vector<RequirementLine> lines;
    for (const auto& line : request_.requirements.lines)
      if (line.role == RequirementLine::Role::install && !line.name.empty()) lines.push_back(line);
    if (const auto attempt = ask(lines, limits_, Interpreter::asked); attempt.exit_code != 0)
      throw failure(lines, attempt);
    for (const auto& line : request_.requirements.lines)
      if (line.role == RequirementLine::Role::install && names_url(line)) check_source(line);
  }

 private:
  enum class Interpreter { asked, left_out };

  void add_stand_in(const std::string& name, const std::string& version, const std::string& requires_python) {
    std::vector<std::string> fields;
    if (!requires_python.empty()) fields.push_back(concat("Requires-Python: ", requires_python));
    const auto wheel = stand_in_wheel(name, version, fields);
    write_file_atomic(uv_.directory() / "lock" / wheel.file_name, wheel.bytes);
  }

  UvCompile::Attempt ask(const std::vector<RequirementLine>& lines,
                         const std::vector<RequirementLine>& limits, Interpreter interpreter) const {
    std::string wanted = interpreter == Interpreter::asked ? concat(kInterpreter, '\n') : std::string();
    std::string limiting;
    for (const auto& line : lines) wanted += (names_url(line) ? without_url(line) : line.text) + '\n';
    for (const auto& line : limits)
      if (!line.name.empty() && !names_url(line)) limiting += line.text + '\n';
    write_file_atomic(uv_.directory() / "requirements.txt", wanted);
    write_file_atomic(uv_.directory() / "constraints.txt", limiting);
    // Without its cache, because stand-ins look alike. With their metadata, for the Python they require.
    return uv_.run(
        "requirements.txt",
        {"--constraints", concat(UvCompile::kDirectory, "/constraints.txt"), "--no-index", "--find-links",
         concat(UvCompile::kDirectory, "/lock"), "--prerelease", "allow", "--no-cache"},
        [](std::string_view) {});
  }

  const LockedPackage* find(const std::string& name) const {
    const auto found = std::ranges::lower_bound(lock_.packages, name, {}, &LockedPackage::name);
    return found == lock_.packages.end() || found->name != name ? nullptr : &*found;
  }

  static Error with_lock_hint(Error error) {
    return std::move(error).with_hint(
        "build without --locked to resolve the requirements again, or correct the line, or give a lock "
        "that was made of them");
  }

  Error unmet(const RequirementLine& line, std::string_view but) const {
    return with_lock_hint(Error(ErrorCode::invalid_input, concat(line.place, ": ", shown_line(line.text),
                                                                 " is not what ", place_, " has: ", but)));
  }

  // Asks for single lines until one of them is the reason.
  Error failure(const std::vector<RequirementLine>& lines, const UvCompile::Attempt& attempt) const {
    const auto met = [&](const std::vector<RequirementLine>& wanted,
                         const std::vector<RequirementLine>& limits) {
      return ask(wanted, limits, Interpreter::left_out).exit_code == 0;
    };
    if (ask({}, {}, Interpreter::asked).exit_code != 0)
      return with_lock_hint(
          Error(ErrorCode::invalid_input, concat(place_, " is for Python ", lock_.requires_python,
                                                 ", and the image has ", request_.interpreter.version)));
    for (const auto& line : lines)
      if (contains(attempt.errors, line.name) && !met({line}, {})) {
        const auto* package = find(line.name);
        return unmet(line, package == nullptr ? concat("it has no ", line.name)
                                              : concat(package->name, ' ', package->version));
      }
    for (const auto& limit : limits_)
      if (const auto* package = find(limit.name);
          contains(attempt.errors, limit.name) && package != nullptr) {
        RequirementLine any;
        any.name = any.text = limit.name;
        if (!met({any}, {limit})) return unmet(limit, concat(package->name, ' ', package->version));
      }
    return with_lock_hint(
        Error(ErrorCode::invalid_input, concat("the requirements are not what ", place_, " has"))
            .with_output(attempt.errors));
  }

  void check_source(const RequirementLine& line) const {
    const auto wanted = requirement_target(url_of(line));
    if (line.name.empty()) {
      const bool conditional = contains(line.text, " ;");
      if (!conditional && std::ranges::find(lock_.packages, wanted, package_target) == lock_.packages.end())
        throw unmet(line, "nothing in it comes from there");
      return;
    }
    const auto* package = find(line.name);
    if (package == nullptr) return;  // its marker does not hold
    const auto source = package_target(*package);
    if (source != wanted)
      throw unmet(line,
                  concat(package->name, " from ", source.empty() ? "a package index" : shown_line(source)));
    if (package->vcs && package->vcs->requested_revision != revision_of(url_of(line)))
      throw unmet(line, concat(package->name, " of the revision ", quoted(package->vcs->requested_revision)));
  }

  const ResolveRequest& request_;
  const Lock& lock_;
  const std::string& place_;
  const UvSettings settings_;  // none: neither indexes nor options take part
  UvCompile uv_;
  std::vector<RequirementLine> limits_;
};

}  // namespace

void check_lock(const Workbench& bench, const ResolveRequest& request, const Lock& lock,
                const std::string& place) {
  LockCheck(bench, request, lock, place).run();
}

}  // namespace dash::builder
