#include "builder/system/host_apt.hpp"

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <boost/filesystem/directory.hpp>

namespace dash::builder {

namespace {

constexpr std::uint64_t kMaxSourcesFile = std::uint64_t{1} << 20;

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  for (const auto word : split_words(text)) out.emplace_back(word);
  return out;
}

// "deb [signed-by=KEYRING arch=amd64] URI SUITE COMPONENT…"
std::optional<AptSource> parse_line(std::string_view line) {
  line = trim(line.substr(0, line.find('#')));
  if (!line.starts_with("deb ") && !line.starts_with("deb\t")) return std::nullopt;
  line = trim(line.substr(3));
  AptSource source;
  if (line.starts_with('[')) {
    const auto end = line.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    for (const auto option : split_words(line.substr(1, end - 1)))
      if (to_lower(option.substr(0, option.find('='))) == "signed-by")
        source.signed_by = option.substr(option.find('=') + 1);
    line = trim(line.substr(end + 1));
  }
  auto words = words_of(line);
  if (words.size() < 2) return std::nullopt;
  source.uri = words[0];
  source.suite = words[1];
  source.components.assign(words.begin() + 2, words.end());
  return source;
}

// The fields of one stanza, names in lower case; continuation lines are joined with newlines.
using Stanza = std::map<std::string, std::string>;

std::vector<Stanza> parse_stanzas(std::string_view content) {
  std::vector<Stanza> stanzas(1);
  std::string field;
  for (const auto line : split_lines(content)) {
    if (line.starts_with('#')) continue;
    if (trim(line).empty()) {
      if (!stanzas.back().empty()) stanzas.emplace_back();
      field.clear();
    } else if (line.starts_with(' ') || line.starts_with('\t')) {
      if (!field.empty()) stanzas.back()[field] += concat('\n', line);
    } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
      field = to_lower(trim(line.substr(0, colon)));
      stanzas.back()[field] = trim(line.substr(colon + 1));
    }
  }
  return stanzas;
}

void add_stanza(const Stanza& stanza, std::vector<AptSource>& out) {
  auto get = [&](const char* name) {
    const auto found = stanza.find(name);
    return found == stanza.end() ? std::string() : found->second;
  };
  const auto enabled = to_lower(trim(get("enabled")));
  if (enabled == "no" || enabled == "false" || enabled == "0") return;
  const auto types = words_of(get("types"));
  if (std::find(types.begin(), types.end(), "deb") == types.end()) return;
  auto signed_by = get("signed-by");
  if (contains(signed_by, "\n")) signed_by = "inline";
  for (const auto& uri : words_of(get("uris")))
    for (const auto& suite : words_of(get("suites")))
      out.push_back({uri, suite, words_of(get("components")), std::string(trim(signed_by))});
}

void append(std::vector<AptSource>& all, const std::vector<AptSource>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

// apt.conf names that say how to reach an archive; a name covers what is below it.
bool is_transport_setting(std::string_view name) {
  constexpr std::array kNames = {"acquire::http",         "acquire::https",      "acquire::retries",
                                 "acquire::check-date",   "acquire::forceipv4",  "acquire::check-valid-until",
                                 "acquire::forceipv6",    "acquire::queue-mode", "acquire::max-validtime",
                                 "acquire::min-validtime"};
  const auto lower = to_lower(name);
  if (contains(lower, "proxy-auto-detect")) return false;  // a program of the host
  return std::any_of(kNames.begin(), kNames.end(), [&](std::string_view covered) {
    return lower.starts_with(covered) &&
           (lower.size() == covered.size() || lower.substr(covered.size()).starts_with("::"));
  });
}

}  // namespace

std::string AptSource::to_line() const {
  std::string line = "deb ";
  if (!signed_by.empty()) line += concat("[signed-by=", signed_by, "] ");
  return concat(line, uri, ' ', suite, components.empty() ? "" : " ", join(components, " "));
}

std::vector<AptSource> parse_apt_sources(std::string_view content, AptSourceFormat format) {
  std::vector<AptSource> out;
  if (format == AptSourceFormat::deb822) {
    for (const auto& stanza : parse_stanzas(content)) add_stanza(stanza, out);
    return out;
  }
  for (const auto line : split_lines(content))
    if (auto source = parse_line(line)) out.push_back(std::move(*source));
  return out;
}

std::vector<AptSource> read_apt_sources(const fs::path& etc_apt) {
  std::vector<AptSource> all;
  if (const auto content = read_file_if_exists(etc_apt / "sources.list", kMaxSourcesFile))
    append(all, parse_apt_sources(*content, AptSourceFormat::one_line));
  const auto parts = etc_apt / "sources.list.d";
  std::vector<fs::path> files;
  boost::system::error_code absent;
  for (fs::directory_iterator entry(parts, absent), end; !absent && entry != end; ++entry)
    if (const auto extension = entry->path().extension(); extension == ".list" || extension == ".sources")
      files.push_back(entry->path());
  std::sort(files.begin(), files.end());
  for (const auto& file : files)
    append(all, parse_apt_sources(read_file(file, kMaxSourcesFile), file.extension() == ".sources"
                                                                        ? AptSourceFormat::deb822
                                                                        : AptSourceFormat::one_line));
  return all;
}

std::vector<AptSource> debian_sources(const std::vector<AptSource>& sources, std::string_view codename) {
  std::vector<AptSource> out;
  for (auto source : sources) {
    const bool of_release = source.suite == codename || source.suite == concat(codename, "-updates") ||
                            source.suite == concat(codename, "-security");
    // Other vendors have a suite of that name too, but not Debian's keyring.
    const bool of_debian = source.signed_by.empty() || contains(source.signed_by, "debian-archive");
    const bool has_main =
        std::find(source.components.begin(), source.components.end(), "main") != source.components.end();
    if (!of_release || !of_debian || !has_main) continue;
    source.signed_by.clear();
    if (std::find(out.begin(), out.end(), source) == out.end()) out.push_back(std::move(source));
  }
  return out;
}

std::vector<std::string> select_transport_settings(std::string_view dump, std::string_view ca_bundle) {
  std::vector<std::string> out;
  for (const auto line : split_lines(dump)) {
    const auto name = line.substr(0, line.find(' '));
    if (!is_transport_setting(name) || line.ends_with(" \"\";")) continue;
    const auto lower = to_lower(name);
    // Files and directories of the host, which are not there where the settings go.
    if (lower.ends_with("::cainfo") || lower.ends_with("::capath") || lower.ends_with("::sslcert") ||
        lower.ends_with("::sslkey") || lower.ends_with("::crlfile"))
      continue;
    out.emplace_back(line);
  }
  if (!ca_bundle.empty()) out.push_back(concat("Acquire::https::CaInfo \"", ca_bundle, "\";"));
  return out;
}

std::vector<std::string> apt_transport_settings(const HostSettings& host, const fs::path& ca_bundle,
                                                std::stop_token stop) {
  const auto path = host.variables.find("PATH");
  std::string dump;
  if (find_program("apt-config", path == host.variables.end() ? kDefaultSearchPath : path->second)) {
    ProcessOptions options;
    options.argv = {"apt-config", "dump", "Acquire"};
    options.environment = host.environment;
    dump = run_checked(std::move(options), std::move(stop));
  }
  return select_transport_settings(dump, ca_bundle.string());
}

}  // namespace dash::builder
