// Dividing what an installation of Debian packages changed among those packages.
#pragma once

#include "builder/system/dpkg_database.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

namespace dash {
class ThreadPool;
}

namespace dash::builder {

struct ChangeSplit {
  struct Package {
    std::string id;
    std::string version;
    std::string title;               // "libpq5 15.3-1"
    std::uint64_t weight = 0;        // about how many bytes it takes in a layer, compressed
    std::string digest;              // of all that is in `paths`: path, kind, mode, owner, content
    std::vector<std::string> paths;  // sorted; with the directories that lead to them
  };
  std::vector<Package> packages;  // by id; only those that have paths
  std::vector<std::string> rest;  // sorted; everything else, with the directories that lead there
};

// `changes` is an overlay's upper directory; system noise (change_filter.hpp) is in no part. Every path but a
// directory is in exactly one part; the parts stacked in any order come to what the whole comes to. A package
// has the files that its list names and no other list does, byte code of its Python modules, its files in
// dpkg's database, and the directories that it brings. The rest is what nobody or several own, whiteouts,
// hard links between parts, and everything in a directory that hides one of `below`.
//
// `below` says whether the root file system under the changes has, or had, a path. Marks of opaque
// directories that hide nothing are removed from `changes`: on top of another package's layer they would hide
// its files.
ChangeSplit split_changes(const fs::path& changes, const std::vector<DpkgPackage>& packages,
                          const std::function<bool(const std::string& path)>& below, ThreadPool& pool,
                          const std::stop_token& stop);

}  // namespace dash::builder
