#include "cli/settings.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cli/quantities.hpp"
#include "oci/compression.hpp"

#include <algorithm>
#include <array>

namespace dash::cli {

namespace {

constexpr auto kPath = SettingType::path;
constexpr auto kText = SettingType::text;
constexpr auto kWords = SettingType::words;
constexpr auto kNumber = SettingType::number;
constexpr auto kBoolean = SettingType::boolean;
constexpr auto kChoice = SettingType::choice;

constexpr std::array kSettings = {
    Setting{"home", "DASH_BUILD_HOME", "--home", kPath, "DIR",
            "/var/lib/dash-build for root, else $XDG_DATA_HOME/dash-build", "The store"},
    Setting{
        "quota", "DASH_BUILD_QUOTA", "--quota", SettingType::size, "SIZE", "none",
        "What builds keep the store below (20G), by removing what was used least recently and can be made "
        "again; 0 is none"},
    Setting{"base", "DASH_BUILD_BASE", "--base", kText, "REF", "made from Debian packages",
            "Base image: docker://REGISTRY/NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], "
            "docker-archive:FILE[:NAME] or a name in the store"},
    Setting{"offline", "DASH_BUILD_OFFLINE", "--offline", kBoolean, "", "false",
            "No network: use only what the store has"},
    Setting{"airgapped", "DASH_BUILD_AIRGAPPED", "--airgapped", kBoolean, "", "false",
            "Only servers that settings name: mirrors of packages, and of conda the two runtimes of Dash "
            "Enterprise"},
    Setting{"compression", "DASH_BUILD_COMPRESSION", "--compression", SettingType::compression,
            "NAME[:LEVEL]", "zstd", "Of layers: zstd[:LEVEL], gzip[:LEVEL] or none"},
    Setting{"threads", "DASH_BUILD_THREADS", "--threads", kNumber, "N", "one per processor",
            "Worker threads; 0 is the default"},
    Setting{"progress", "DASH_BUILD_PROGRESS", "--progress", kChoice, "auto|tty|plain|json|quiet", "auto",
            "How a running build is shown"},
    Setting{"python_runtimes", "DASH_BUILD_PYTHON_RUNTIMES", "--python-runtime", kWords,
            "VERSION=URL#sha256=HEX", "none",
            "Archives of Pythons for runtime.txt (python-build-standalone, install_only)"},
    Setting{"uv", "DASH_BUILD_UV", "--uv", kPath, "FILE", "the pinned one, fetched once",
            "Use this uv program"},
    Setting{"index_strategy", "DASH_BUILD_INDEX_STRATEGY", "--index-strategy", kChoice,
            "first-index|unsafe-best-match", "first-index",
            "Which package index decides when several have a package"},
    Setting{"compile_bytecode", "DASH_BUILD_COMPILE_BYTECODE", "--compile-bytecode", kBoolean, "", "true",
            "Put .pyc files of the Python packages into the image"},
    Setting{"package_layers", "DASH_BUILD_PACKAGE_LAYERS", "--package-layers", kNumber, "N", "40",
            "Most layers that the Python packages are spread over; 0 is the default"},
    Setting{"cache_from", "DASH_BUILD_CACHE_FROM", "--cache-from", kWords, "REGISTRY/REPOSITORY[:TAG]",
            "with --push, the image that is replaced",
            "Images in registries whose layers are reused, without downloading what nothing runs on"},
    Setting{"cache_to", "DASH_BUILD_CACHE_TO", "--cache-to", kWords, "REGISTRY/REPOSITORY[:TAG]", "none",
            "Publish records and layers of the build there, for --cache-from"},
    Setting{"conda_base_url", "DASH_BUILD_CONDA_BASE_URL", "", kText, "URL", "$BUILDPACK_CONTINUUM_URL",
            "Server of conda installers, with miniconda/NAME-Linux-x86_64.sh below it"},
    Setting{"conda_installers", "DASH_BUILD_CONDA_INSTALLERS", "", kWords, "NAME=SHA256",
            "what each was when it came first", "Digests that conda installers must have"},
    Setting{"conda_mirrors", "DASH_BUILD_CONDA_MIRRORS", "", kWords, "FROM=TO", "none",
            "URL prefixes of conda channels and installers, and where this machine has them instead"},
    Setting{"conda_pins", "DASH_BUILD_CONDA_PINS", "", kWords, "SPEC", "none",
            "Specs that every conda app's environment keeps (conda-meta/pinned), as in nomkl"},
    Setting{"condarc", "DASH_BUILD_CONDARC", "", kPath, "FILE", "none",
            "Configuration of conda while it chooses packages: channels, mirrors"},
    Setting{"conda_install", "DASH_BUILD_CONDA_INSTALL", "--conda-install", kChoice, "native|conda", "native",
            "Who installs conda packages: this program, or conda itself in the sandbox"},
    Setting{"nltk_index", "DASH_BUILD_NLTK_INDEX", "", kText, "URL", "NLTK's own",
            "Index that the packages of nltk.txt come from"},
    Setting{"ca_bundle", "DASH_BUILD_CA_BUNDLE", "", kPath, "FILE", "$SSL_CERT_FILE, else the system's",
            "Trusted certificates at build time"},
};

std::string_view type_name(SettingType type) {
  switch (type) {
    case SettingType::path:
      return "path";
    case SettingType::number:
      return "whole number";
    case SettingType::boolean:
      return "boolean";
    case SettingType::words:
      return "array of texts";
    case SettingType::text:
    case SettingType::choice:
    case SettingType::compression:
    case SettingType::size:
      break;
  }
  return "text";
}

Error wrong_value(std::string_view text, std::string_view origin, std::string_view wanted) {
  return Error(ErrorCode::usage, concat(origin, " is ", quoted(text), ", not ", wanted));
}

std::string check_boolean(std::string_view text, std::string_view origin) {
  const auto word = to_lower(text);
  for (const std::string_view yes : {"true", "1", "yes", "on"})
    if (word == yes) return "true";
  for (const std::string_view no : {"false", "0", "no", "off"})
    if (word == no) return "false";
  throw wrong_value(text, origin, "true or false");
}

std::string check_number(std::string_view text, std::string_view origin) {
  constexpr std::uint64_t kMost = 1024;
  const auto number = parse_uint(text);
  if (!number || *number > kMost) throw wrong_value(text, origin, concat("a whole number from 0 to ", kMost));
  return std::to_string(*number);
}

std::string check_choice(const Setting& setting, std::string_view text, std::string_view origin) {
  const auto choices = split(setting.value, '|');
  if (std::find(choices.begin(), choices.end(), text) == choices.end())
    throw wrong_value(
        text, origin,
        concat("one of ", join(std::vector<std::string>(choices.begin(), choices.end()), ", ")));
  return std::string(text);
}

}  // namespace

std::span<const Setting> all_settings() {
  return kSettings;
}

const Setting& setting(std::string_view name) {
  const auto found =
      std::find_if(kSettings.begin(), kSettings.end(), [&](const Setting& s) { return s.name == name; });
  if (found == kSettings.end()) throw Error(ErrorCode::internal, concat("there is no setting ", name));
  return *found;
}

std::string check_setting(const Setting& setting, std::string_view text, std::string_view origin) {
  switch (setting.type) {
    case SettingType::boolean:
      return check_boolean(text, origin);
    case SettingType::number:
      return check_number(text, origin);
    case SettingType::choice:
      return check_choice(setting, text, origin);
    case SettingType::compression:
      with_context(concat("while reading ", origin), [&] { oci::Compression::parse(text); });
      break;
    case SettingType::size:
      if (text != "0") parse_size(text, origin);
      break;
    case SettingType::path:
    case SettingType::text:
    case SettingType::words:
      break;
  }
  return std::string(text);
}

std::vector<fs::path> configuration_files(const std::map<std::string, std::string>& variables) {
  const auto value = [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
  if (const auto only = value("DASH_BUILD_CONFIG"); !only.empty()) return {fs::absolute(only)};
  std::vector<fs::path> out = {"/etc/dash-build/config.toml"};
  // "If an implementation encounters a relative path […] it should consider the path invalid and ignore it"
  // (XDG Base Directory Specification).
  if (const auto directory = value("XDG_CONFIG_HOME"); directory.starts_with('/'))
    out.push_back(fs::path(directory) / "dash-build/config.toml");
  else if (const auto home = value("HOME"); home.starts_with('/'))
    out.push_back(fs::path(home) / ".config/dash-build/config.toml");
  return out;
}

SettingValues read_settings(const std::map<std::string, std::string>& variables) {
  SettingValues out;
  boost::system::error_code ignored;
  const auto named = variables.find("DASH_BUILD_CONFIG");
  for (const auto& file : configuration_files(variables)) {
    if (!fs::exists(file, ignored)) {
      if (named == variables.end() || named->second.empty()) continue;
      throw Error(ErrorCode::not_found,
                  concat("DASH_BUILD_CONFIG names ", file.string(), ", which does not exist"))
          .with_hint("unset it to use /etc/dash-build/config.toml and the user's file");
    }
    for (auto& [name, value] : read_configuration(file)) out.insert_or_assign(name, std::move(value));
  }
  for (const auto& setting : kSettings) {
    const auto found = variables.find(std::string(setting.variable));
    if (found == variables.end() || found->second.empty()) continue;
    out.insert_or_assign(
        std::string(setting.name),
        SettingValue{check_setting(setting, found->second, setting.variable), std::string(setting.variable)});
  }
  return out;
}

std::string settings_table() {
  std::string out = "| key | variable | option | type | default | meaning |\n|---|---|---|---|---|---|\n";
  for (const auto& setting : kSettings) {
    std::string option = "–";
    if (!setting.flag.empty())
      option = concat('`', setting.flag, setting.value.empty() ? "" : " ", setting.value, '`');
    std::string safe;  // a bar would end the cell
    for (const char c : option) safe += c == '|' ? std::string("\\|") : std::string(1, c);
    out += concat("| `", setting.name, "` | `", setting.variable, "` | ", safe, " | ",
                  type_name(setting.type), " | ", setting.fallback, " | ", setting.meaning, " |\n");
  }
  return out;
}

}  // namespace dash::cli
