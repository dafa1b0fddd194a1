#include "builder/python/uv_settings.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/app/requirements_syntax.hpp"
#include "builder/app/text_file.hpp"
#include "builder/image_config.hpp"

#include <algorithm>
#include <array>

namespace dash::builder {
namespace {

using Settings = std::map<std::string, std::string>;

// pip's settings that change nothing about which files are installed.
constexpr std::array<std::string_view, 30> kHarmless = {"BREAK_SYSTEM_PACKAGES",
                                                        "CACHE_DIR",
                                                        "CERT",  // part of HostSettings::ca_bundle
                                                        "COMPILE",
                                                        "CONFIG_FILE",
                                                        "DEBUG",
                                                        "DEFAULT_TIMEOUT",
                                                        "DISABLE_PIP_VERSION_CHECK",
                                                        "EXISTS_ACTION",
                                                        "LOG",
                                                        "NO_CACHE_DIR",
                                                        "NO_CLEAN",
                                                        "NO_COLOR",
                                                        "NO_COMPILE",
                                                        "NO_INPUT",
                                                        "NO_PYTHON_VERSION_WARNING",
                                                        "NO_WARN_CONFLICTS",
                                                        "NO_WARN_SCRIPT_LOCATION",
                                                        "PROGRESS_BAR",
                                                        "PROXY",
                                                        "QUIET",
                                                        "REQUIRE_VIRTUALENV",
                                                        "REQUIRE_VENV",
                                                        "RETRIES",
                                                        "ROOT_USER_ACTION",
                                                        "SRC",
                                                        "TIMEOUT",
                                                        "UPGRADE",
                                                        "USER",
                                                        "VERBOSE"};

// uv's settings that name places of this machine, or would contradict what is built here.
constexpr std::array<std::string_view, 16> kForeign = {
    "UV_BUILD_CONSTRAINT", "UV_CONFIG_FILE",     "UV_CONSTRAINT",
    "UV_ENV_FILE",         "UV_EXCLUDE",         "UV_KEYRING_PROVIDER",
    "UV_OVERRIDE",         "UV_PROJECT",         "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",           "UV_PYTHON_PLATFORM", "UV_PYTHON_VERSION",
    "UV_SYSTEM_PYTHON",    "UV_TARGET",          "UV_WORKING_DIR",
    "UV_WORKING_DIRECTORY"};

bool is_true(std::string_view value) {
  const auto word = to_lower(trim(value));
  return word == "1" || word == "true" || word == "yes" || word == "on" || word == "t" || word == "y";
}

std::vector<std::string> words_of(std::string_view value) {
  std::vector<std::string> out;
  for (const auto word : split_words(value)) out.emplace_back(word);
  return out;
}

class Translator {
 public:
  Translator(const HostSettings& host, const RequirementsFiles& requirements, const fs::path& app_directory)
      : settings_(host.index_settings),
        variables_(host.variables),
        files_(requirements),
        app_directory_(app_directory) {}

  UvSettings run() {
    indexes();
    links();
    trusted_hosts();
    binaries();
    choice();
    constraints();
    warn_about_others();
    // uv's own settings win over pip's, as the more specific ones.
    for (const auto& [name, value] : settings_)
      if (name.starts_with("UV_") && !is_foreign(name)) out_.environment[name] = value;
    return std::move(out_);
  }

 private:
  std::string pip(std::string_view name) {
    known_.push_back(concat("PIP_", name));
    const auto found = settings_.find(known_.back());
    return found == settings_.end() ? std::string() : std::string(trim(found->second));
  }

  void set(const char* name, std::string value) {
    if (!value.empty()) out_.environment[name] = std::move(value);
  }

  // pip replaces "${NAME}" where NAME is upper-case and set, and keeps the text otherwise.
  std::string expanded(std::string text) const {
    for (const auto& name : files_.variables) {
      const auto value = variables_.find(name);
      if (value == variables_.end() || value->second.empty()) continue;
      const auto pattern = concat("${", name, '}');
      for (auto at = text.find(pattern); at != std::string::npos;
           at = text.find(pattern, at + value->second.size()))
        text.replace(at, pattern.size(), value->second);
    }
    return text;
  }

  void indexes() {
    auto index = pip("INDEX_URL");
    if (index.empty()) index = pip("PYPI_URL");
    auto extra = words_of(pip("EXTRA_INDEX_URL"));
    if (!files_.index.index_url.empty()) {
      if (!index.empty() || !extra.empty())
        out_.warnings.emplace_back(
            "--index-url in the requirements replaces the package indexes that this machine is set to, as in "
            "pip");
      index = expanded(files_.index.index_url);
      extra.clear();
    }
    for (const auto& url : files_.index.extra_index_urls) extra.push_back(expanded(url));
    set("UV_DEFAULT_INDEX", std::move(index));
    set("UV_INDEX", join(extra, " "));
    if (is_true(pip("NO_INDEX")) || files_.index.index == IndexSettings::Index::none)
      out_.arguments.emplace_back("--no-index");
  }

  void links() {
    std::vector<std::string> links;
    for (const auto& source : files_.local)
      if (source.use == LocalSource::Use::find_links) {
        const auto inside = concat(kAppDirectory, '/', source.path);
        out_.mounts.push_back({app_directory_ / source.path, inside, SandboxMount::Access::read_only});
        links.push_back(link_to(inside));
      }
    for (const auto& url : files_.index.find_links) links.push_back(expanded(url));
    for (auto link : words_of(pip("FIND_LINKS"))) add_host_link(std::move(link), links);
    if (const auto own = settings_.find("UV_FIND_LINKS"); own != settings_.end())
      for (const auto link : split(own->second, ','))
        if (link.starts_with('/') && fs::exists(std::string(link)))
          out_.mounts.push_back({std::string(link), std::string(link), SandboxMount::Access::read_only});
    set("UV_FIND_LINKS", join(links, ","));
  }

  // A directory of this machine is seen under its own name. pip goes on without one that is not there.
  void add_host_link(std::string link, std::vector<std::string>& links) {
    if (link.starts_with("file://")) link.erase(0, 7);
    if (link.starts_with('/')) {
      if (!fs::exists(link)) return;
      out_.mounts.push_back({link, link, SandboxMount::Access::read_only});
      link = link_to(link);
    }
    links.push_back(std::move(link));
  }

  // uv separates by commas.
  static std::string link_to(std::string path) {
    for (auto at = path.find(','); at != std::string::npos; at = path.find(',', at))
      path.replace(at, 1, "%2C");
    return contains(path, "%2C") || contains(path, " ") ? concat("file://", path) : path;
  }

  void trusted_hosts() {
    out_.trusted_hosts = words_of(pip("TRUSTED_HOST"));
    out_.trusted_hosts.insert(out_.trusted_hosts.end(), files_.index.trusted_hosts.begin(),
                              files_.index.trusted_hosts.end());
    set("UV_INSECURE_HOST", join(out_.trusted_hosts, " "));
    if (const auto own = settings_.find("UV_INSECURE_HOST"); own != settings_.end())
      for (auto& host : words_of(own->second)) out_.trusted_hosts.push_back(std::move(host));
  }

  void binaries() {
    for (const auto& [name, option] :
         {std::pair("NO_BINARY", "--no-binary "), {"ONLY_BINARY", "--only-binary "}})
      for (const auto& word : words_of(pip(name))) out_.options.push_back(concat(option, word));
    out_.options.insert(out_.options.end(), files_.binary_options.begin(), files_.binary_options.end());
  }

  void choice() {
    if (is_true(pip("PRE")) || files_.pre_releases == RequirementsFiles::PreReleases::yes)
      set("UV_PRERELEASE", "allow");
    if (is_true(pip("NO_DEPS")) || is_true(pip("NO_DEPENDENCIES")))
      out_.compile_arguments.emplace_back("--no-deps");
    if (is_true(pip("REQUIRE_HASHES"))) out_.hashes_place = "PIP_REQUIRE_HASHES";
    set("UV_EXCLUDE_NEWER", pip("UPLOADED_PRIOR_TO"));
    auto timeout = pip("TIMEOUT");
    set("UV_HTTP_TIMEOUT", timeout.empty() ? pip("DEFAULT_TIMEOUT") : std::move(timeout));
  }

  void constraints() {
    auto paths = words_of(pip("CONSTRAINT"));
    if (const auto own = settings_.find("UV_CONSTRAINT"); own != settings_.end())
      for (auto& path : words_of(own->second)) paths.push_back(std::move(path));
    for (const auto& path : paths) read_constraints(path);
  }

  void read_constraints(const std::string& path) {
    if (contains(path, "://"))
      throw Error(ErrorCode::unsupported, concat("PIP_CONSTRAINT names a URL: ", redact_url(path)))
          .with_hint("download the file and name it by its path");
    auto bytes = read_file_if_exists(path);
    if (!bytes)
      throw Error(ErrorCode::invalid_input, concat("PIP_CONSTRAINT names ", path, ", which does not exist"))
          .with_hint("add the file, or unset the variable (or the option in pip.conf)");
    const auto parsed = parse_requirements(decode_text(std::move(*bytes), path, Utf16::decode), path);
    for (const auto& entry : parsed.entries) {
      if (entry.kind != RequirementsEntry::Kind::package && entry.kind != RequirementsEntry::Kind::url)
        throw Error(ErrorCode::unsupported,
                    concat(path, ':', entry.line, ": only limits of packages can stand in ",
                           "a constraints file of this machine"))
            .with_hint("write each as \"NAME==VERSION\" or the like");
      RequirementLine line;
      line.role = RequirementLine::Role::constrain;
      line.name = entry.name;
      line.text = entry.text;
      line.place = concat(path, ':', entry.line);
      out_.constraints.push_back(std::move(line));
    }
  }

  static bool is_foreign(std::string_view name) {
    return std::find(kForeign.begin(), kForeign.end(), name) != kForeign.end();
  }

  // Nothing that may matter is ignored in silence.
  void warn_about_others() {
    for (const auto& [name, value] : settings_) {
      if (trim(value).empty()) continue;
      const bool of_pip = name.starts_with("PIP_");
      const auto rest = std::string_view(name).substr(of_pip ? 4 : 0);
      const bool used = of_pip ? std::find(known_.begin(), known_.end(), name) != known_.end() ||
                                     std::find(kHarmless.begin(), kHarmless.end(), rest) != kHarmless.end()
                               : !is_foreign(name) || name == "UV_CONSTRAINT";
      if (!used) out_.warnings.push_back(concat(name, " is set for this machine, but has no effect here"));
    }
  }

  const Settings& settings_;
  const Settings& variables_;
  const RequirementsFiles& files_;
  const fs::path& app_directory_;
  std::vector<std::string> known_;
  UvSettings out_;
};

}  // namespace

UvSettings uv_settings(const HostSettings& host, const RequirementsFiles& requirements,
                       const fs::path& app_directory) {
  return Translator(host, requirements, app_directory).run();
}

}  // namespace dash::builder
