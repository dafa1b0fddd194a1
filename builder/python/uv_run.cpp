#include "builder/python/uv_run.hpp"

#include "base/process.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <map>

namespace dash::builder {
namespace {

constexpr const char* kProgram = "/run/dash-build/uv";
constexpr const char* kCache = "/run/dash-build/uv-cache";
// Where uv and git look for it without being told.
constexpr const char* kNetrc = "/root/.netrc";

// uv indents what belongs to a cause as far as the text behind "  cause: ".
constexpr std::string_view kCause = "  cause: ";
constexpr std::string_view kError = "error: ";

std::string_view without_indent(std::string_view line) {
  return line.substr(std::min({line.find_first_not_of(' '), kCause.size(), line.size()}));
}

std::string_view without_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

struct GitMeaning {
  std::string_view sign;  // in what git, or uv about git, says
  ErrorCode code;
  std::string_view hint;
};

constexpr std::string_view kNoRevision =
    "The repository has no such branch, tag or commit: correct what stands behind the @ of the URL.";
constexpr std::string_view kNoAccess =
    "The repository does not exist or needs a password. Use a token from a variable, as in "
    "git+https://${GIT_TOKEN}@git.example/team/project.git, or add the host to ~/.netrc.";
constexpr GitMeaning kGitMeanings[] = {
    {"network connectivity is disabled", ErrorCode::unavailable, "Build once online with the same store."},
    {"could not read Username", ErrorCode::denied, kNoAccess},
    {"could not read Password", ErrorCode::denied, kNoAccess},
    {"Authentication failed", ErrorCode::denied, kNoAccess},
    {"returned error: 403", ErrorCode::denied, kNoAccess},
    {"couldn't find remote ref", ErrorCode::invalid_input, kNoRevision},
    {"not our ref", ErrorCode::invalid_input, kNoRevision},
    {"reference is not a tree", ErrorCode::invalid_input, kNoRevision},
};

// The line that says why: git's last "fatal: …", else the last one.
std::string reason_of_git(std::string_view text) {
  std::string_view last;
  std::string_view fatal;
  for (auto line : split_lines(text)) {
    line = trim(line);
    if (line.empty() || line.starts_with("hint: ")) continue;
    last = line;
    if (line.starts_with("fatal: ")) fatal = line.substr(7);
  }
  if (fatal.empty()) return std::string(last);
  // "unable to access 'URL': Could not resolve host: …"
  if (const auto url = fatal.find("': "); fatal.starts_with("unable to access '") && url != fatal.npos)
    fatal.remove_prefix(url + 3);
  return std::string(fatal);
}

std::string at_place(std::string_view place) {
  return place.empty() ? "" : concat(place, ": ");
}

void put(std::map<std::string, std::string>& environment, const char* name, std::string value) {
  environment[name] = std::move(value);
}

}  // namespace

SandboxCommand UvCommand::command(const std::vector<std::string>& arguments) const {
  const fs::path cache = bench_.store.caches() / "uv";
  make_directories(cache);
  bench_.store.claim(cache);
  SandboxCommand out;
  out.argv = {kProgram};
  out.argv.insert(out.argv.end(), arguments.begin(), arguments.end());
  out.argv.insert(out.argv.end(), settings_.arguments.begin(), settings_.arguments.end());
  out.network = bench_.network;
  if (bench_.network == Network::none) out.argv.emplace_back("--offline");

  std::map<std::string, std::string> environment = settings_.environment;
  put(environment, "PATH", kDefaultSearchPath);
  put(environment, "HOME", "/root");
  put(environment, "LANG", "C.UTF-8");
  put(environment, "UV_CACHE_DIR", kCache);
  put(environment, "UV_LINK_MODE", "copy");
  put(environment, "UV_NO_CONFIG", "1");  // only what the step key knows may decide
  put(environment, "UV_NO_PROGRESS", "1");
  put(environment, "UV_NO_SOURCES", "1");  // pip knows nothing of [tool.uv.sources]
  put(environment, "UV_PYTHON_DOWNLOADS", "never");
  put(environment, "GIT_TERMINAL_PROMPT", "0");
  // Repositories of this machine belong to whom they belong; they are read only.
  put(environment, "GIT_CONFIG_COUNT", "1");
  put(environment, "GIT_CONFIG_KEY_0", "safe.directory");
  put(environment, "GIT_CONFIG_VALUE_0", "*");
  put(environment, "NO_COLOR", "1");
  put(environment, "SOURCE_DATE_EPOCH", std::to_string(bench_.host.source_date_epoch));
  put(environment, "PYTHONHASHSEED", "0");
  for (const auto& [name, value] : environment) out.environment.push_back(concat(name, '=', value));

  out.mounts.push_back({program_, kProgram, SandboxMount::Access::read_only});
  out.mounts.push_back({cache, kCache, SandboxMount::Access::read_write});
  out.mounts.insert(out.mounts.end(), settings_.mounts.begin(), settings_.mounts.end());
  if (bench_.network == Network::host && !bench_.host.netrc.empty())
    out.mounts.push_back({bench_.host.netrc, kNetrc, SandboxMount::Access::read_only});
  return out;
}

std::string without_credentials(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t scheme = text.find("://");
    if (scheme == std::string_view::npos) break;
    const std::size_t start = scheme + 3;
    const std::size_t end = std::min(text.find_first_of("/ \n`'\")>", start), text.size());
    const std::string_view authority = text.substr(start, end - start);
    const std::size_t at = authority.rfind('@');
    out += text.substr(0, start);
    out += at == std::string_view::npos ? authority : authority.substr(at + 1);
    text.remove_prefix(end);
  }
  return out + std::string(text);
}

UvErrors read_uv_errors(std::string_view output) {
  // Builds write "error: …" too; uv's own is the last one.
  std::size_t start = std::string_view::npos;
  std::size_t end = output.size();
  for (const auto line : split_lines(output)) {
    const auto at = static_cast<std::size_t>(line.data() - output.data());
    if (line.starts_with(kError)) {
      start = at;
      end = output.size();
    } else if (start != std::string_view::npos && end == output.size() && line.starts_with("hint: ")) {
      end = at;
    }
  }
  UvErrors out{{}, without_end(output.substr(0, end))};
  if (start == std::string_view::npos) return out;
  for (const auto line : split_lines(out.text.substr(start))) {
    if (line.starts_with(kError))
      out.parts.emplace_back(line.substr(kError.size()));
    else if (line.starts_with(kCause))
      out.parts.emplace_back(line.substr(kCause.size()));
    else if (!trim(line).empty())
      out.parts.back() += concat('\n', without_indent(line));
  }
  return out;
}

Error git_failure(std::string_view place, std::string_view url, std::string_view reason,
                  std::string_view output) {
  Error error(ErrorCode::unavailable,
              concat(at_place(place), "cannot get ", redact_url(url), ": ", reason_of_git(reason)));
  std::string_view hint =
      "Check the network, the proxy settings and the URL of the repository, then try again.";
  for (const auto& meaning : kGitMeanings)
    if (contains(reason, meaning.sign)) {
      error = Error(meaning.code, error.message());
      hint = meaning.hint;
      break;
    }
  return std::move(error).with_output(std::string(output)).with_hint(std::string(hint));
}

Error build_failure(std::string_view place, std::string_view package, std::string_view output,
                    const std::vector<std::string>& versions) {
  return Error(ErrorCode::step_failed, concat(at_place(place), "building ", package, " failed"))
      .with_output(std::string(output))
      .with_hint(concat(
          "The output says what is missing. Libraries and headers go into apt-packages (for example "
          "libpq-dev).",
          versions.empty() ? ""
                           : concat(" Versions with a wheel need no build: ", join(versions, ", "), '.')));
}

}  // namespace dash::builder
