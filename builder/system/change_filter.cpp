#include "builder/system/change_filter.hpp"

#include <algorithm>
#include <array>

namespace dash::builder {

namespace {

// Everything below these; the directories themselves stay.
constexpr std::array<std::string_view, 10> kEmptied = {
    "tmp/",           "var/tmp/",           "var/cache/apt/",        "var/cache/ldconfig/",
    "var/cache/man/", "var/lib/apt/lists/", "var/lib/apt/periodic/", "var/lib/dpkg/updates/",
    "var/log/apt/",   "run/lock/"};

constexpr std::array<std::string_view, 22> kFiles = {"etc/.pwd.lock",
                                                     "etc/group-",
                                                     "etc/gshadow-",
                                                     "etc/machine-id",
                                                     "etc/passwd-",
                                                     "etc/shadow-",
                                                     "etc/subgid-",
                                                     "etc/subuid-",
                                                     "usr/share/info/dir.old",
                                                     "var/lib/dbus/machine-id",
                                                     "var/lib/dpkg/lock",
                                                     "var/lib/dpkg/lock-frontend",
                                                     "var/lib/dpkg/triggers/Lock",
                                                     "var/log/alternatives.log",
                                                     "var/log/bootstrap.log",
                                                     "var/log/btmp",
                                                     "var/log/dpkg.log",
                                                     "var/log/faillog",
                                                     "var/log/fontconfig.log",
                                                     "var/log/lastlog",
                                                     "var/log/wtmp",
                                                     "var/lib/systemd/random-seed"};

// dpkg's and debconf's copies of their previous state.
bool is_backup(std::string_view path) {
  return path.ends_with("-old") &&
         (path.starts_with("var/lib/dpkg/") || path.starts_with("var/cache/debconf/"));
}

}  // namespace

bool is_system_noise(std::string_view path) {
  return is_backup(path) || std::find(kFiles.begin(), kFiles.end(), path) != kFiles.end() ||
         std::any_of(kEmptied.begin(), kEmptied.end(), [&](auto below) { return path.starts_with(below); });
}

}  // namespace dash::builder
