// The apt files and dpkg-packages/: what the system packages step installs, and with which settings.
//
// apt-env, apt-debconf and URLs may hold secrets: no message or warning shows them.
#pragma once

#include "base/thread_pool.hpp"
#include "builder/app/app_directory.hpp"
#include "builder/app/file_leaf.hpp"
#include "builder/app/text_file.hpp"

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// All files, read once. Texts are UTF-8 with "\n" ends; lists hold the lines that count, trimmed.
struct AptFiles {
  std::optional<std::string> conf;          // apt-conf: apt.conf(5) text
  std::optional<std::string> env;           // apt-env: shell text, sourced during the installation only
  std::vector<TextLine> keys;               // apt-keys: http(s) URLs
  std::optional<std::string> preferences;   // apt-preferences: apt_preferences(5) text
  std::optional<std::string> sources_list;  // apt-sources-list; an empty text means no sources at all
  std::vector<TextLine> repositories;       // apt-repositories: "deb …" lines, "ppa:…", components
  std::vector<TextLine> debconf;            // apt-debconf: debconf-set-selections(1) lines
  std::vector<TextLine> packages;           // apt-packages: one entry per word; a word may come twice
  std::vector<std::string> debs;            // paths of .deb files relative to the app, sorted by bytes
  std::vector<std::string> present;         // names of the apt files that exist, in the order of processing
  std::vector<std::string> warnings;

  // Nothing is there that would change the image.
  bool empty() const { return present.empty() && debs.empty(); }
};

// A word or line that can't be right is an Error(invalid_input) with file, line and hint.
AptFiles read_apt_files(const AppDirectory& app);

// Each present file and each .deb with the digest of what counts: for texts not line ends, for lists neither
// comments nor blanks. The lines of apt-debconf may be secrets and are not shown.
std::vector<FileLeaf> apt_leaves(const AppDirectory& app, const AptFiles& files, ThreadPool& pool,
                                 std::stop_token stop = {});

// For tests and fuzzing: the words of an apt-packages file.
std::vector<TextLine> parse_apt_packages(std::string_view text);
std::vector<TextLine> parse_apt_keys(std::string_view text);
std::vector<TextLine> parse_apt_repositories(std::string_view text);
std::vector<TextLine> parse_apt_debconf(std::string_view text);

}  // namespace dash::builder
