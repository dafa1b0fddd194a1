// The sentences are read in the wording of the pinned uv (uv_release.hpp), which is no interface: who moves
// the pin runs tests/e2e/test_requirements.py. What is not recognised falls through to `contradiction` or
// `other`, which show uv's text.
#include "builder/python/resolve_failure.hpp"

#include "base/text.hpp"
#include "builder/python/similar_names.hpp"
#include "builder/python/uv_run.hpp"
#include "builder/python/uv_sentences.hpp"

#include <algorithm>
#include <optional>

namespace dash::builder {
namespace {

using namespace uv_sentences;

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '\t') out += c;
  return out;
}

std::string_view first_line(std::string_view text) {
  return text.substr(0, text.find('\n'));
}

class Explainer {
 public:
  explicit Explainer(const ResolveFailure& failure)
      : failure_(failure),
        uv_(read_uv_errors(failure.errors)),
        words_(words_of(failure.errors)),
        python_(failure.interpreter.minor_version()) {}

  Error run() const {
    if (auto error = transfer()) return std::move(*error);
    if (!contains(failure_.errors, "No solution found")) {
      if (auto error = bad_line()) return std::move(*error);
      if (auto error = repository()) return std::move(*error);
      if (auto error = build()) return std::move(*error);
      return other();
    }
    if (auto error = unknown_package()) return std::move(*error);
    if (auto error = wrong_python()) return std::move(*error);
    if (auto error = no_wheel()) return std::move(*error);
    if (auto error = no_version()) return std::move(*error);
    return contradiction();
  }

 private:
  // uv's words, for those who want to know more.
  Error make(ErrorCode code, std::string message, std::string hint) const {
    return Error(code, std::move(message)).with_output(explanation()).with_hint(std::move(hint));
  }

  std::string explanation() const {
    if (uv_.parts.empty()) return std::string(uv_.text);
    auto parts = uv_.parts;
    std::erase(parts, "No solution found when resolving dependencies");
    return join(parts, "\n");
  }

  // The lines that ask for the package, as "requirements.txt:3"; those with exactly this text if there are
  // any.
  std::vector<std::string> places(std::string_view spec) const {
    const auto name = name_of(spec);
    std::vector<std::string> all;
    std::vector<std::string> exact;
    for (const auto& line : failure_.lines) {
      if (line.name != name) continue;
      all.push_back(line.place);
      if (is_text(line, spec)) exact.push_back(line.place);
    }
    return exact.empty() ? all : exact;
  }

  // "requirements.txt:3: " or nothing.
  std::string at(std::string_view spec) const {
    const auto found = places(spec);
    return found.empty() ? "" : concat(join(found, " and "), ": ");
  }

  std::string with_place(std::string_view spec) const {
    const auto found = places(spec);
    return found.empty() ? std::string(spec) : concat(spec, " (", join(found, " and "), ')');
  }

  std::size_t line_index(std::string_view spec) const {
    const auto& lines = failure_.lines;
    return static_cast<std::size_t>(std::ranges::find(lines, name_of(spec), &RequirementLine::name) -
                                    lines.begin());
  }

  // ", which beta (requirements.txt:2) needs" for a package that the app does not ask for itself.
  std::string needed_by(std::string_view name) const {
    if (!places(name).empty()) return {};
    for (const auto& demand : all_demands())
      if (!demand.by.empty() && name_of(demand.spec) == name_of(name))
        return concat(", which ", with_place(demand.by), " needs");
    return {};
  }

  std::vector<Demand> all_demands() const {
    return demands(words_, [this](std::string_view spec) { return is_limit(spec); });
  }

  // Whether a constraints file says exactly this.
  bool is_limit(std::string_view spec) const {
    return std::ranges::any_of(failure_.lines, [&](const RequirementLine& line) {
      return line.role == RequirementLine::Role::constrain && is_text(line, spec);
    });
  }

  // Whether the line is the specifier as uv writes it.
  static bool is_text(const RequirementLine& line, std::string_view spec) {
    auto text = without_blanks(std::string_view(line.text).substr(0, line.text.find(';')));
    const auto open = text.find('[');
    const auto close = text.find(']');
    if (open != std::string::npos && close != std::string::npos && open < close)
      text.erase(open, close - open + 1);
    return name_of(text) == name_of(spec) &&
           text.substr(std::min(text.find_first_of("<>=!~"), text.size())) ==
               spec.substr(std::min(spec.find_first_of("<>=!~"), spec.size()));
  }

  std::string proxies() const {
    std::vector<std::string> out;
    for (const auto& [name, value] : failure_.proxies)
      if (!value.empty()) out.push_back(concat(name, '=', redact_url(value)));
    return out.empty() ? "No proxy is set; where one is needed, set https_proxy."
                       : concat("Proxy settings in effect: ", join(out, ", "), '.');
  }

  std::optional<Error> transfer() const {
    const auto& text = failure_.errors;
    if (contains(text, "network was disabled"))
      return make(ErrorCode::unavailable, "the package index is needed, and the build is offline",
                  "Build once online with the same store.");
    constexpr std::string_view kFetch = "Failed to fetch: ";
    const auto at = text.find(kFetch);
    if (at == std::string::npos) return std::nullopt;
    auto url = std::string_view(text).substr(at + kFetch.size());
    url = trim(url.substr(0, url.find('\n')));
    while (!url.empty() && (url.front() == '`' || url.front() == '"')) url.remove_prefix(1);
    const auto host = host_of(url);
    std::string cause(first_line(uv_.parts.empty() ? std::string_view() : uv_.parts.back()));
    if (const auto link = cause.find(" for url ("); link != std::string::npos) cause.resize(link);
    if (contains(text, "401 Unauthorized") || contains(text, "403 Forbidden")) return refused(host, cause);
    return make(ErrorCode::unavailable, concat("the package index at ", host, " cannot be reached: ", cause),
                concat("Check the network and the index URL, then try again. ", proxies()));
  }

  static std::string_view host_of(std::string_view url) {
    const auto start = std::min(url.find("://"), url.size() - std::min<std::size_t>(url.size(), 3)) + 3;
    return url.substr(std::min(start, url.size()))
        .substr(0, url.substr(std::min(start, url.size())).find('/'));
  }

  Error refused(std::string_view host, std::string_view cause) const {
    return make(ErrorCode::denied, concat("the package index at ", host, " refuses access: ", cause),
                "Check the user name and password in the index URL (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, "
                "pip.conf or the "
                "requirements), or add the host to ~/.netrc.");
  }

  // An index that asks for a password and gets none counts as one that has no package; only a hint tells.
  std::optional<Error> refused_index() const {
    constexpr std::string_view kHint = "An index URL (";
    const auto at = failure_.errors.find(kHint);
    if (at == std::string::npos) return std::nullopt;
    const auto rest = std::string_view(failure_.errors).substr(at + kHint.size());
    for (const auto* status : {"401 Unauthorized", "403 Forbidden"})
      if (contains(rest.substr(0, rest.find('\n')), status))
        return refused(host_of(rest.substr(0, rest.find(')'))), status);
    return std::nullopt;
  }

  // "Couldn't parse requirement in `…` at position 12": the lines are as uv was given them.
  std::optional<Error> bad_line() const {
    constexpr std::string_view kPosition = " at position ";
    const auto at = failure_.errors.find(kPosition);
    if (at == std::string::npos || !contains(failure_.errors, "parse requirement")) return std::nullopt;
    const auto digits = std::string_view(failure_.errors).substr(at + kPosition.size());
    const auto position = parse_uint(digits.substr(0, digits.find_first_not_of("0123456789")));
    const auto role = contains(first_line(failure_.errors), "constraints.txt")
                          ? RequirementLine::Role::constrain
                          : RequirementLine::Role::install;
    std::size_t end = 0;
    for (const auto& line : failure_.lines) {
      if (line.role != role) continue;
      end += line.text.size() + 1;
      if (position && *position < end)
        return make(ErrorCode::invalid_input,
                    concat(line.place, ": ", redact_url(line.text), " is not a requirement that can be read"),
                    "A requirement reads like \"pandas==2.2.3\" or \"dash>=2,<3\".");
    }
    return std::nullopt;
  }

  std::optional<Error> repository() const {
    const auto sign = std::ranges::find(uv_.parts, "Git operation failed");
    if (sign == uv_.parts.end()) return std::nullopt;
    // "`git fetch … 'URL' 'REFS'`"; before that "Failed to download and build `NAME @ git+URL`".
    auto url = quoted_url(uv_.parts.back());
    if (url.empty()) {
      const auto spec = between(uv_.parts.front(), '`');
      const auto scheme = spec.find("git+");
      url = scheme == std::string_view::npos ? std::string_view() : spec.substr(scheme + 4);
    }
    const auto* line = repository_line(url);
    if (url.empty() && line != nullptr)
      url = std::string_view(line->text).substr(line->text.find("git+") + 4);
    return git_failure(line == nullptr ? "" : line->place, url.empty() ? "a repository" : url,
                       uv_.parts.back(), explanation());
  }

  // The line with the URL; else the only one that names a repository.
  const RequirementLine* repository_line(std::string_view url) const {
    std::vector<const RequirementLine*> all;
    for (const auto& line : failure_.lines) {
      const auto text = without_credentials(line.text);
      const auto at = text.find("git+");
      if (at == std::string::npos) continue;
      const auto target = std::string_view(text).substr(at + 4);
      if (!url.empty() && target.starts_with(url) &&
          (target.size() == url.size() || contains("@#; ", target.substr(url.size(), 1))))
        return &line;
      all.push_back(&line);
    }
    return all.size() == 1 ? all.front() : nullptr;
  }

  std::optional<Error> build() const {
    const auto is_build = [](const std::string& part) {
      return part.starts_with("Failed to build ") || part.starts_with("Failed to download and build ") ||
             part == "The build backend returned an error";
    };
    const auto part = std::ranges::find_if(uv_.parts, is_build);
    if (part == uv_.parts.end()) return std::nullopt;
    // "bad==1.0", "bad @ file:///app/bad"; nothing for a line without a name.
    auto package = std::string(between(*part, '`'));
    if (package.empty()) return build_without_name();
    std::vector<std::string> versions;
    if (const auto at = package.find(" @ "); at != std::string::npos)
      package.resize(at);
    else if (failure_.versions)
      versions = failure_.versions(name_of(package), ResolveFailure::Choice::wheels);
    return build_failure(join(places(package), " and "), concat(package, included_by(package)), explanation(),
                         versions);
  }

  Error build_without_name() const {
    std::vector<const RequirementLine*> all;
    for (const auto& line : failure_.lines)
      if (line.name.empty()) all.push_back(&line);
    if (all.size() != 1) return build_failure("", "a project without a name", explanation(), {});
    return build_failure(all.front()->place, redact_url(all.front()->text), explanation(), {});
  }

  // ", which top (requirements.txt:1) needs," of "hint: `bad` (v1.0) was included because `top` (v1.0)
  // depends on …".
  std::string included_by(std::string_view spec) const {
    constexpr std::string_view kChain = " was included because ";
    const auto at = failure_.errors.find(kChain);
    if (at == std::string::npos || !places(spec).empty()) return {};
    const auto by = between(std::string_view(failure_.errors).substr(at + kChain.size()), '`');
    return by.empty() ? "" : concat(", which ", with_place(by), " needs,");
  }

  // Files that are not there, bad options, …; and whatever another uv says.
  Error other() const {
    constexpr std::string_view kWhat = "cannot resolve the Python requirements: ";
    if (uv_.parts.empty())
      return make(ErrorCode::step_failed, concat(kWhat, "uv failed"),
                  "uv ended without an explanation, as programs do that run out of memory or disk.");
    auto message = concat(kWhat, first_line(uv_.parts.front()));
    if (uv_.parts.size() > 1) message += concat(": ", first_line(uv_.parts.back()));
    if (contains(uv_.text, "Hash mismatch"))
      return make(ErrorCode::corrupt, message,
                  "The file is not the one that the requirements name. Check where it comes from.");
    return make(ErrorCode::invalid_input, message,
                "Check the lines of the requirements files that the message names.");
  }

  std::optional<Error> unknown_package() const {
    for (std::size_t i = 1; i < words_.size(); ++i) {
      const bool in_index = matches(words_, i, "was not found in the package registry");
      const bool in_links = matches(words_, i, "was not found in the provided package locations");
      if (!in_index && !in_links) continue;
      const auto name = words_[i - 1];
      if (auto error = refused_index()) return error;
      if (in_links)
        return make(ErrorCode::invalid_input,
                    concat(at(name), "the --find-links places have no file of ", name, needed_by(name)),
                    "Add its wheel to the directory that --find-links names, or remove --no-index.");
      auto advice = advice_for_name(name_of(name), line_names());
      if (!advice.empty()) advice += advice.ends_with('?') ? " " : ". ";
      return make(ErrorCode::invalid_input, concat(at(name), "no package index has ", name, needed_by(name)),
                  concat(advice.empty() ? "Check the spelling of the name. " : advice,
                         "A package of a private index needs --extra-index-url or PIP_EXTRA_INDEX_URL."));
    }
    return std::nullopt;
  }

  std::vector<std::string> line_names() const {
    std::vector<std::string> out;
    for (const auto& line : failure_.lines) out.push_back(line.name);
    return out;
  }

  // "Versions that fit: 2.1, 2.0. " or what to do without any.
  std::string alternatives(const std::string& name, ResolveFailure::Choice choice) const {
    const auto versions = failure_.versions ? failure_.versions(name, choice) : std::vector<std::string>();
    if (versions.empty())
      return concat("No version of ", name,
                    " fits: use another package, or a base image with another Python (--base).");
    return concat("Versions that fit Python ", python_, ": ", join(versions, ", "),
                  ". Pin one of them, for example \"", name, "==", versions.front(),
                  "\", or use a base image with another Python (--base).");
  }

  // "newpy==3.0 requires Python >=3.13", or "… does not satisfy Python>=3.13 and newpy==3.0 depends on
  // Python>=3.13".
  std::optional<Error> wrong_python() const {
    for (std::size_t i = 1; i + 2 < words_.size(); ++i) {
      std::string_view needed;
      if (matches(words_, i, "requires Python") || matches(words_, i, "require Python"))
        needed = words_[i + 2];
      else if (matches(words_, i, "depends on") && words_[i + 2].starts_with("Python"))
        needed = words_[i + 2].substr(std::string_view("Python").size());
      if (needed.empty()) continue;
      const auto spec = words_[i - 1];
      const auto name = name_of(spec);
      return make(ErrorCode::invalid_input,
                  concat(at(spec), spec, needed_by(name), " needs Python ", needed, "; the image has Python ",
                         failure_.interpreter.version),
                  alternatives(name, ResolveFailure::Choice::any_file));
    }
    return std::nullopt;
  }

  // The tags in uv's "hint: You require CPython 3.11 (`cp311`), but we only found wheels for `x` (v2.0) with
  // the following Python ABI tag: `cp310`".
  std::string existing_tags() const {
    const auto hint = failure_.errors.find("we only found wheels");
    if (hint == std::string::npos) return {};
    const auto line = std::string_view(failure_.errors).substr(hint, failure_.errors.find('\n', hint) - hint);
    const auto colon = line.rfind(": ");
    if (colon == std::string_view::npos) return {};
    std::string out;
    for (const char c : line.substr(colon + 2))
      if (c != '`') out += c;
    return concat("; there are wheels for ", out);
  }

  std::optional<Error> no_wheel() const {
    for (std::size_t i = 1; i < words_.size(); ++i) {
      const bool tags = matches(words_, i, "has no wheels with a matching") ||
                        matches(words_, i, "have no wheels with a matching");
      const bool none = matches(words_, i, "has no usable wheels") ||
                        matches(words_, i, "have no usable wheels") || matches(words_, i, "has no wheels") ||
                        matches(words_, i, "have no wheels");
      if (!tags && !none) continue;
      const auto spec = words_[i - 1];
      const auto name = name_of(spec);
      return make(ErrorCode::invalid_input,
                  concat(at(spec), spec, needed_by(name), " has no wheel for CPython ", python_, " on ",
                         failure_.interpreter.machine, " and no source that may be built", existing_tags()),
                  alternatives(name, ResolveFailure::Choice::wheels));
    }
    return std::nullopt;
  }

  std::optional<Error> no_version() const {
    for (std::size_t i = 0; i + 5 < words_.size(); ++i) {
      if (!matches(words_, i, "there is no version of") && !matches(words_, i, "there are no versions of"))
        continue;
      const auto spec = words_[i + 5];
      const auto name = name_of(spec);
      const auto versions = failure_.versions ? failure_.versions(name, ResolveFailure::Choice::any_file)
                                              : std::vector<std::string>();
      const bool pre = contains(failure_.errors, "re-releases are available");
      return make(
          ErrorCode::invalid_input,
          concat(at(spec), "there is no version ", spec, needed_by(name),
                 contains(spec, "==") ? "" : " that is released"),
          concat(pre ? "Only pre-releases match: add a line --pre, or name one of them. " : "",
                 contains(failure_.errors, "on a subsequent index")
                     ? "Another index has it, but the first index that knows the package decides, unless "
                       "--index-strategy unsafe-best-match (or DASH_BUILD_INDEX_STRATEGY) is given. "
                     : "",
                 versions.empty() ? "Check the version and the package index."
                                  : concat("The newest versions for Python ", python_,
                                           " are: ", join(versions, ", "), '.')));
    }
    return std::nullopt;
  }

  static std::string said(const Demand& demand, const std::string& by) {
    return demand.by.empty() ? by : concat(by, " needs ", demand.spec);
  }

  Error contradiction() const {
    const auto all = all_demands();
    // The package that two ask for, differently.
    for (const auto& first : all) {
      std::vector<std::pair<std::size_t, std::string>> parts;  // in the order of the app's lines
      bool differ = false;
      for (const auto& demand : all) {
        if (name_of(demand.spec) != name_of(first.spec)) continue;
        differ = differ || demand.spec != first.spec;
        const auto by = demand.by.empty() ? demand.spec : demand.by;
        parts.emplace_back(line_index(by), said(demand, with_place(by)));
      }
      if (parts.size() < 2 || !differ) continue;
      std::ranges::stable_sort(parts, {}, &std::pair<std::size_t, std::string>::first);
      std::string list;
      for (const auto& [index, part] : parts) list += concat(list.empty() ? "" : ", but ", part);
      return make(ErrorCode::invalid_input, concat("the requirements contradict each other: ", list),
                  concat("Change or remove one of these lines, so that one version of ", name_of(first.spec),
                         " fits all."));
    }
    std::vector<std::string> asked;
    for (const auto& demand : all)
      if (demand.by.empty()) asked.push_back(with_place(demand.spec));
    return make(
        ErrorCode::invalid_input,
        concat("no set of versions fits all requirements", asked.empty() ? "" : ": see ", join(asked, ", ")),
        "The output names what excludes what. Loosen or change these lines.");
  }

  const ResolveFailure& failure_;
  UvErrors uv_;
  Words words_;
  std::string python_;
};

}  // namespace

Error explain(const ResolveFailure& failure) {
  return Explainer(failure).run();
}

}  // namespace dash::builder
