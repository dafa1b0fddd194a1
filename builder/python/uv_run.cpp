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
constexpr std::size_t kMaxErrors = std::size_t{64} * 1024;

// The parts of uv's message, "error: …" and the "cause: …" lines below it, without their labels.
std::vector<std::string> explanation(std::string_view errors) {
  std::vector<std::string> out;
  for (std::string_view line : split_lines(errors)) {
    const std::string_view text = trim(line);
    if (text.starts_with("error: ") || text.starts_with("cause: "))
      out.emplace_back(text.substr(7));
    else if (text.starts_with("hint: ") || text.empty())
      continue;
    else if (!out.empty() && line.front() == ' ')
      out.back() += concat('\n', text);
  }
  return out;
}

struct Meaning {
  std::string_view sign;  // in uv's output
  ErrorCode code;
  std::string_view hint;
};

// First match decides: the special before the general.
constexpr Meaning kMeanings[] = {
    {"network was disabled", ErrorCode::unavailable,
     "The build is offline and the store does not have what is needed. Build once online with the same "
     "store."},
    {"401 Unauthorized", ErrorCode::denied, "Check the user name and password in the package index URL."},
    {"403 Forbidden", ErrorCode::denied, "Check the user name and password in the package index URL."},
    {"an authentication error", ErrorCode::denied,
     "Check the user name and password in the package index URL."},
    {"Hash mismatch", ErrorCode::corrupt,
     "The file on the package index is not the one that the requirements name. Check where it comes from."},
    {"Failed to fetch", ErrorCode::unavailable,
     "Check the network, the proxy settings and the package index URL, then try again."},
    {"error sending request", ErrorCode::unavailable,
     "Check the network, the proxy settings and the package index URL, then try again."},
    {"Git operation failed", ErrorCode::unavailable,
     "Check the repository's URL and revision, and that this machine can reach it without a password "
     "prompt."},
    {"Failed to build", ErrorCode::step_failed,
     "The package has no wheel for this interpreter and does not build. Pin a version that has one, or add "
     "the missing "
     "libraries to apt-packages."},
    {"Failed to download and build", ErrorCode::step_failed,
     "The package has no wheel for this interpreter and does not build. Pin a version that has one, or add "
     "the missing "
     "libraries to apt-packages."},
    {"was not found in the package registry", ErrorCode::invalid_input,
     "Check the spelling of the name. A package from a private index needs PIP_EXTRA_INDEX_URL."},
    {"was not found in the provided package locations", ErrorCode::invalid_input,
     "Add the missing package to the directory that --find-links names, or allow an index."},
    {"No solution found", ErrorCode::invalid_input,
     "Loosen or change the requirements that the message names, so that one set of versions fits all."},
    {"Couldn't parse requirement", ErrorCode::invalid_input,
     "A requirement reads like `pandas==2.2.3` or `dash>=2,<3`."},
};

void put(std::map<std::string, std::string>& environment, const char* name, std::string value) {
  environment[name] = std::move(value);
}

}  // namespace

SandboxCommand UvCommand::command(const std::vector<std::string>& arguments) const {
  const fs::path cache = bench_.store.caches() / "uv";
  make_directories(cache);
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

void UvCommand::collect(const std::string& step, std::string_view line, std::string& errors) const {
  const std::string safe = without_credentials(line);
  bench_.log(step, safe);
  if (errors.size() < kMaxErrors) errors += safe + '\n';
}

std::string without_credentials(std::string_view line) {
  std::string out;
  while (!line.empty()) {
    const std::size_t scheme = line.find("://");
    if (scheme == std::string_view::npos) break;
    const std::size_t start = scheme + 3;
    const std::size_t end = std::min(line.find_first_of("/ `'\")>", start), line.size());
    const std::string_view authority = line.substr(start, end - start);
    const std::size_t at = authority.rfind('@');
    out += line.substr(0, start);
    out += at == std::string_view::npos ? authority : authority.substr(at + 1);
    line.remove_prefix(end);
  }
  return out + std::string(line);
}

Error uv_failure(std::string_view what, std::string_view errors) {
  const std::vector<std::string> parts = explanation(errors);
  const std::string message =
      parts.empty() ? concat(what, ": uv failed") : concat(what, ": ", join(parts, "\n"));
  for (const Meaning& meaning : kMeanings)
    if (contains(errors, meaning.sign))
      return Error(meaning.code, message).with_hint(std::string(meaning.hint));
  if (parts.empty())
    return Error(ErrorCode::step_failed, message)
        .with_output(std::string(errors))
        .with_hint("uv ended without an explanation, as programs do that run out of memory or disk.");
  // Files that requirements name and that are not there, bad options, …
  return Error(ErrorCode::invalid_input, message)
      .with_output(std::string(errors))
      .with_hint("Check the lines of the requirements files that the message names.");
}

}  // namespace dash::builder
