// A resolved set of packages, read from pylock.toml (PyPA "pylock.toml specification", lock-version 1.x).
#pragma once

#include "base/sha256.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// A file that a package can be had as. Either `url` or `path` is set.
struct LockedFile {
  std::string file_name;
  std::string url;
  std::string path;  // absolute, in the sandbox that resolved
  std::optional<std::uint64_t> size;
  std::optional<Sha256> sha256;
  std::string subdirectory;  // of an archive
};

struct LockedDirectory {
  std::string path;  // absolute, in the sandbox that resolved
  enum class Kind { plain, editable } kind = Kind::plain;
  std::string subdirectory;
};

struct LockedVcs {
  std::string type;  // "git"
  std::string url;
  std::string path;  // absolute, for a local repository
  std::string requested_revision;
  std::string commit_id;
  std::string subdirectory;
};

// One package. Its source is exactly one of: an index (`wheels` and `sdist`), `archive`, `directory`, `vcs`.
struct LockedPackage {
  std::string name;     // normalised
  std::string version;  // empty when only a build can tell (directories)
  std::vector<LockedFile> wheels;
  std::optional<LockedFile> sdist;
  std::optional<LockedFile> archive;
  std::optional<LockedDirectory> directory;
  std::optional<LockedVcs> vcs;
};

struct Lock {
  std::vector<LockedPackage> packages;  // sorted by name, each name once
  std::string requires_python;          // version specifiers (PEP 440), or empty
  std::string text;                     // as the resolver wrote it

  // `directory` is where the file was, for its relative paths. Markers are not evaluated: the lock is the
  // answer for one interpreter and holds what applies. Throws Error(corrupt) that says what is wrong.
  static Lock parse(std::string_view text, std::string_view directory);
  // The same for a lock that a user gives; `place` is the file's name. Throws Error(invalid_input).
  static Lock parse_given(std::string_view text, std::string_view directory, std::string_view place);
};

}  // namespace dash::builder
