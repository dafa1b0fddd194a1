// What dpkg's database says about the packages that an installation brought.
#pragma once

#include "base/path.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

struct DpkgPackage {
  std::string id;  // what its files in the database are called by: "tzdata", "libpq5:amd64"
  std::string name;
  std::string version;  // empty when the status file does not know it
  // Files and directories, without "/" in front, where diversions put them; its files in the database are
  // among them. "lib/x" is "usr/lib/x" where /usr is merged.
  std::vector<std::string> paths;
};

// Packages whose file lists are in `tree`, a root file system or an overlay's upper directory, which then has
// the packages that were unpacked over it. By id. `diversions` is the content of dpkg's file of that name.
std::vector<DpkgPackage> read_dpkg_packages(const fs::path& tree, std::string_view diversions);

}  // namespace dash::builder
