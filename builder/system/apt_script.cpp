#include "builder/system/apt_script.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

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
  at package-lists
  apt-get -q update
  dash_updated=yes
}

# Says what there would have been instead.
tell_names() {
  local word
  apt-cache pkgnames >/run/dash-build/apt-report/names || true
  for word in "$@"; do
    if [[ $word == *=* ]]; then apt-cache madison -- "${word%%=*}" || true; fi
  done >/run/dash-build/apt-report/versions
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
  mapfile -t dash_packages <"$dash_in/apt-packages"
  update
  at apt-packages
  apt-get -q -y install -- "${dash_packages[@]}" || {
    dash_code=$?
    tell_names "${dash_packages[@]}" 2>/dev/null
    exit $dash_code
  }
fi
if [[ -d $dash_in/debs ]]; then
  # Dependencies may all be there already: without reachable sources this still works then.
  update || true
  at dpkg-packages
  apt-get -q -y --reinstall --allow-downgrades install -- "$dash_in"/debs/*/*
fi
if [[ -e $dash_in/apt-conf.kept ]]; then cp $dash_in/apt-conf.kept /etc/apt/apt.conf.d/99dokku-apt; fi
if [[ -e /var/lib/dpkg/diversions ]]; then cp /var/lib/dpkg/diversions /run/dash-build/apt-report/; fi
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

// A URL's user name and password go to a file that only the installation sees (apt_auth.conf(5)): then they
// are neither in what apt prints nor in the sources that stay in the image.
class Credentials {
 public:
  // The text without them.
  std::string take_from(std::string_view text) {
    std::string out;
    for (auto scheme = text.find("://"); scheme != std::string_view::npos; scheme = text.find("://")) {
      const auto start = scheme + 3;
      const auto rest = text.substr(start);
      const auto url = rest.substr(0, rest.find_first_of(" \t\n\"';]"));
      const auto at = url.substr(0, url.find('/')).rfind('@');
      out += text.substr(0, start);
      text.remove_prefix(start);
      if (at == std::string_view::npos) continue;
      const auto word = out.find_last_of(" \t\n\"'=[") + 1;
      add(out.substr(word), url.substr(0, at), url.substr(at + 1));
      text.remove_prefix(at + 1);
    }
    return out + std::string(text);
  }
  const std::string& auth() const { return auth_; }

 private:
  void add(std::string_view scheme, std::string_view user_info, std::string_view place) {
    const auto colon = user_info.find(':');
    auth_ += concat("machine ", scheme, place, "\nlogin ", decoded(user_info.substr(0, colon)));
    if (colon != std::string_view::npos) auth_ += concat("\npassword ", decoded(user_info.substr(colon + 1)));
    auth_ += '\n';
  }

  // "%40" in a URL is "@" in the file.
  static std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      unsigned value = 0;
      const auto* hex = text.data() + i + 1;
      if (text[i] == '%' && i + 2 < text.size() && std::from_chars(hex, hex + 2, value, 16).ptr == hex + 2) {
        out += static_cast<char>(value);
        i += 2;
      } else {
        out += text[i];
      }
    }
    if (out.find_first_of(" \t\r\n") != std::string::npos)
      throw Error(ErrorCode::invalid_input, "a user name or password in an apt URL holds a blank")
          .with_hint("apt can't take it from there: use another password for this package source");
    return out;
  }

  std::string auth_;
};

std::vector<TextLine> without_credentials(std::vector<TextLine> items, Credentials& credentials) {
  for (auto& item : items) item.text = credentials.take_from(item.text);
  return items;
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

// "E: The repository 'URL SUITE Release' IS."
std::optional<std::string> repository_that(std::string_view output, std::string_view is) {
  for (const auto line : split_lines(output))
    if (line.starts_with("E: The repository ") && contains(line, is))
      return word_after(line, "The repository ");
  return std::nullopt;
}

}  // namespace

void write_apt_files(const fs::path& directory, const AptFiles& files, const fs::path& app,
                     const std::vector<std::string>& transport, Recommends recommends) {
  write(directory / "script", kScript);
  Credentials credentials;
  const auto repositories = without_credentials(files.repositories, credentials);
  const auto keys = without_credentials(files.keys, credentials);
  const auto sources_list = credentials.take_from(files.sources_list.value_or(""));
  auto conf = apt_conf(files, transport, recommends);
  if (!credentials.auth().empty()) {
    write(directory / "auth.conf", credentials.auth());
    conf += concat("Dir::Etc::netrc \"", kAptInputDirectory, "/auth.conf\";\n");
  }
  write(directory / "apt.conf", conf);
  if (files.conf) {
    write(directory / "apt-conf", *files.conf);
    // A proxy's password is needed now and must not be there later.
    if (const auto kept = Credentials().take_from(*files.conf); kept != *files.conf)
      write(directory / "apt-conf.kept", kept);
  }
  if (files.env) write(directory / "apt-env", *files.env);
  if (files.preferences) write(directory / "apt-preferences", *files.preferences);
  if (files.sources_list) write(directory / "apt-sources-list", sources_list);
  write_items(directory / "apt-keys", keys);
  write_items(directory / "apt-repositories", repositories);
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

std::optional<MissingVersion> missing_version(std::string_view output) {
  for (const auto line : split_lines(output)) {
    if (!line.starts_with("E: Version '") || !contains(line, " was not found")) continue;
    return MissingVersion{word_after(line, "Version ").value_or(""), word_after(line, "for ").value_or("")};
  }
  return std::nullopt;
}

std::vector<std::string> unmet_dependencies(std::string_view output) {
  // " a : Depends: b but it is not installable", with "PreDepends" and further lines for the same package.
  std::vector<std::string> out;
  std::string package;
  bool inside = false;
  for (const auto line : split_lines(output)) {
    if (contains(line, "unmet dependencies")) inside = true;
    if (!inside || !line.starts_with(' ')) continue;
    auto rest = trim(line);
    if (const auto colon = rest.find(" : "); colon != std::string_view::npos) {
      package = rest.substr(0, colon);
      rest = rest.substr(colon + 3);
    }
    const auto kind = rest.find("Depends: ");
    if (package.empty() || kind == std::string_view::npos) continue;
    rest = rest.substr(kind + 9);
    out.push_back(concat(package, " needs ", trim(rest.substr(0, rest.find(" but ")))));
  }
  return out;
}

std::optional<std::string> unsigned_source(std::string_view output) {
  return repository_that(output, "is not signed");
}

std::optional<std::string> absent_source(std::string_view output) {
  return repository_that(output, "does not have a Release file");
}

bool says_unreachable(std::string_view output) {
  for (const auto* words :
       {"Could not resolve", "Temporary failure resolving", "Could not connect", "Unable to connect",
        "Failed to fetch", "Connection failed", "Connection timed out"})
    if (contains(output, words)) return true;
  return false;
}

}  // namespace dash::builder
