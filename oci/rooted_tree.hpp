// A directory tree whose paths are untrusted: they are resolved below its root, wherever symbolic links
// point.
#pragma once

#include "base/file.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace dash::oci {

// The name of an archive entry as a path below a root: no "/" in front, at the end or twice, no "."
// components.
// "" is the root itself ("./", "/"). An empty name and ".." throw Error(corrupt) that says so.
std::string normalize_entry_path(std::string_view name);

// "a/b/c" → {"a/b", "c"}; "c" → {"", "c"}.
struct SplitPath {
  std::string parent;
  std::string name;
};
SplitPath split_entry_path(const std::string& path);

// Symbolic links are followed as in a process whose root directory this is (openat2 with RESOLVE_IN_ROOT and
// RESOLVE_NO_MAGICLINKS): absolute targets start at the root and ".." stops there.
class RootedTree {
 public:
  explicit RootedTree(const fs::path& root);

  int root() const { return root_.get(); }

  // Opens the directory at `path`; an empty owner, with errno set, when there is none or it cannot be opened.
  UniqueFd try_open(const std::string& path) const;

  struct MakeHooks {
    // A directory was made, 0755 and owned by root.
    std::function<void(int directory, const std::string& path)> made;
    // `name` in `parent` is in the way and no directory; true when there is one now.
    std::function<bool(int parent, const std::string& name, const std::string& path)> unblock;
  };
  // Opens the directory at `path` and makes what is missing of it, also what a dangling symbolic link names.
  // An empty owner, with errno set, when that cannot be.
  UniqueFd make(const std::string& path, const MakeHooks& hooks) const;

 private:
  UniqueFd make(const std::string& path, const MakeHooks& hooks, int& links_left) const;
  UniqueFd root_;
};

}  // namespace dash::oci
