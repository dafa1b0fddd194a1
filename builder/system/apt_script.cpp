#include "builder/system/apt_script.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

namespace dash::builder {

namespace {

// Runs as root with `bash -e`. Order and meaning of the files are those of the platform's apt plugin; where
// that has bugs (a last line without newline, apt-preferences) the files mean what they say.
constexpr std::string_view kScript = R"(
dash_in=/run/dash-build/apt
# With apt-sources-list, apt.conf names it and this directory as the only sources.
dash_parts=/tmp/dash-build-sources
dash_list=/etc/apt/sources.list.d/dash-build.list
mkdir -p $dash_parts

at() { printf '%s' "$*" >/run/dash-build/apt-report/stage; }

# each FILE FUNCTION: calls FUNCTION with every line of an apt file and its number.
each() {
  local lines n
  if [[ ! -e $dash_in/$1 ]]; then return; fi
  mapfile -t lines <"$dash_in/$1"
  for ((n = 0; n < ${#lines[@]}; n++)); do
    at "$1" $((n + 1))
    "$2" "${lines[n]}" $((n + 1))
  done
}

# keep FILE DESTINATION: an apt file that stays in the image.
keep() {
  if [[ ! -e $dash_in/$1 ]]; then return; fi
  at "$1"
  mkdir -p "${2%/*}"
  cp "$dash_in/$1" "$2"
}

update() {
  if [[ -n $dash_updated || -e $dash_in/offline ]]; then return; fi
  apt-get -q update
  dash_updated=yes
}

add_key() {
  local type=gpg
  /usr/lib/apt/apt-helper download-file "$1" /tmp/key
  sha256sum /tmp/key
  if grep -q -a -e '-----BEGIN PGP' /tmp/key; then type=asc; fi
  mkdir -p /etc/apt/trusted.gpg.d
  cp /tmp/key "/etc/apt/trusted.gpg.d/dash-build-$2.$type"
  rm /tmp/key
}

add_repository() {
  if [[ $1 == deb\ * || $1 == deb-src\ * ]]; then
    mkdir -p "${dash_list%/*}"
    printf '%s\n' "$1" >>"$dash_list"
    return
  fi
  if ! command -v add-apt-repository >/dev/null; then
    update
    apt-get -q -y install software-properties-common
  fi
  add-apt-repository -y -n "$1"
  dash_updated=
}

select_answer() { printf '%s\n' "$1" | debconf-set-selections; }

keep apt-conf /etc/apt/apt.conf.d/99dokku-apt
if [[ -e $dash_in/apt-env ]]; then
  at apt-env
  source "$dash_in/apt-env"
fi
dash_updated=
each apt-keys add_key
keep apt-preferences /etc/apt/preferences.d/90customizations
each apt-repositories add_repository
if [[ -e $dash_list ]]; then cp "$dash_list" $dash_parts/; fi
each apt-debconf select_answer

if [[ -e $dash_in/apt-packages ]]; then
  at apt-packages
  mapfile -t dash_packages <"$dash_in/apt-packages"
  update
  apt-get -q -y install -- "${dash_packages[@]}"
fi
if [[ -d $dash_in/debs ]]; then
  at dpkg-packages
  # Dependencies may all be there already: without reachable sources this still works then.
  update || true
  apt-get -q -y --reinstall --allow-downgrades install -- "$dash_in"/debs/*/*
fi
at end
)";

void write(const fs::path& path, std::string_view content) {
  write_file_atomic(path, content, 0644);
}

void write_items(const fs::path& path, const std::vector<TextLine>& items) {
  if (items.empty()) return;
  std::string content;
  for (const auto& item : items) content += concat(item.text, '\n');
  write(path, content);
}

std::string apt_conf(const AptFiles& files, const std::vector<std::string>& transport,
                     Recommends recommends) {
  std::string conf =
      "Acquire::Languages \"none\";\n"
      "DPkg::Use-Pty \"0\";\n"
      // The image's version of a configuration file stays: nobody is there to be asked.
      "DPkg::Options { \"--force-confdef\"; \"--force-confold\"; };\n";
  for (const auto& setting : transport) conf += concat(setting, '\n');
  if (recommends == Recommends::leave_out) conf += "APT::Install-Recommends \"false\";\n";
  if (files.sources_list)
    conf += concat("Dir::Etc::sourcelist \"", kAptInputDirectory, "/apt-sources-list\";\n",
                   "Dir::Etc::sourceparts \"/tmp/dash-build-sources\";\n");
  return conf;
}

// The word after `before`, without quotes and what apt puts behind names.
std::optional<std::string> word_after(std::string_view line, std::string_view before) {
  const auto at = line.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  auto word = line.substr(at + before.size());
  if (word.starts_with('\'')) {
    word.remove_prefix(1);
    word = word.substr(0, word.find('\''));
  } else {
    word = word.substr(0, word.find(' '));
  }
  return std::string(word);
}

}  // namespace

void write_apt_files(const fs::path& directory, const AptFiles& files, const fs::path& app,
                     const std::vector<std::string>& transport, Recommends recommends) {
  write(directory / "script", kScript);
  write(directory / "apt.conf", apt_conf(files, transport, recommends));
  if (files.conf) write(directory / "apt-conf", *files.conf);
  if (files.env) write(directory / "apt-env", *files.env);
  if (files.preferences) write(directory / "apt-preferences", *files.preferences);
  if (files.sources_list) write(directory / "apt-sources-list", *files.sources_list);
  write_items(directory / "apt-keys", files.keys);
  write_items(directory / "apt-repositories", files.repositories);
  write_items(directory / "apt-debconf", files.debconf);
  write_items(directory / "apt-packages", files.packages);
  for (std::size_t i = 0; i < files.debs.size(); ++i) {
    auto number = std::to_string(i);  // keeps the order, whatever the names
    number.insert(0, number.size() < 6 ? 6 - number.size() : 0, '0');
    const auto place = directory / "debs" / number;
    make_directories(place);
    const auto deb = app / files.debs[i];
    const auto copy = place / deb.filename();
    fs::copy_file(deb, copy);
    if (::chmod(copy.c_str(), 0644) != 0) throw system_error(concat("cannot read ", deb.string()), errno);
  }
}

AptStage parse_apt_stage(std::string_view report) {
  const auto words = split_words(report);
  if (words.empty()) return {};
  return {std::string(words[0]), words.size() > 1 ? parse_uint(words[1]).value_or(0) : 0};
}

std::vector<std::string> unknown_packages(std::string_view output) {
  // "E: Unable to locate package NAME", "E: Package 'NAME' has no installation candidate",
  // "E: Version 'V' for 'NAME' was not found", "E: Couldn't find any package by glob 'NAME'"
  std::vector<std::string> names;
  for (const auto line : split_lines(output)) {
    if (!line.starts_with("E: ")) continue;
    std::optional<std::string> name;
    if (contains(line, "Unable to locate package ")) name = word_after(line, "package ");
    if (contains(line, "has no installation candidate")) name = word_after(line, "Package ");
    if (line.starts_with("E: Version ") && contains(line, " was not found")) name = word_after(line, "for ");
    if (contains(line, "find any package by "))
      name = word_after(line, contains(line, "regex ") ? "regex " : "glob ");
    if (name && std::find(names.begin(), names.end(), *name) == names.end()) names.push_back(*name);
  }
  return names;
}

bool says_unreachable(std::string_view output) {
  for (const auto* words :
       {"Could not resolve", "Temporary failure resolving", "Could not connect", "Unable to connect",
        "Failed to fetch", "Connection failed", "Connection timed out"})
    if (contains(output, words)) return true;
  return false;
}

}  // namespace dash::builder
