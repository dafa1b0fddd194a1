// The hashes that requirements name (pip's hash-checking,
// https://pip.pypa.io/en/stable/topics/secure-installs/): only files with one of them are installed, and one
// --hash makes hashes obligatory for everything.
#pragma once

#include "builder/app/requirements.hpp"
#include "builder/python/pylock.hpp"

#include <map>
#include <string>
#include <vector>

namespace dash::builder {

// What a line without a name asks for: its URL, without credentials, revision, fragment, extras and marker.
std::string requirement_target(std::string_view text);
// The same of what came of it; empty for packages of an index.
std::string package_target(const LockedPackage& package);

class HashPins {
 public:
  HashPins() = default;
  // `obligatory` says where hashes became obligatory ("requirements.txt:1"); empty: they are not. As in pip,
  // several lines for a package allow the hashes that all of those with hashes have.
  HashPins(const std::vector<RequirementLine>& lines, std::string obligatory);

  // Of the line for the package ("requirements.txt:3"); empty: there is none.
  std::string place(const LockedPackage& package) const;

  // Takes files that certainly have another hash out of the lock, as long as others are left. Where hashes
  // are obligatory, a package without one, without an exact version, or from a directory or repository is
  // Error(invalid_input) that names its line; `exempt` is a package that nobody asked for.
  void apply(Lock& lock, const std::string& exempt) const;

  // Error(corrupt) when the hash that an index or a previous download knows for a file is certainly wrong.
  void check_known(const LockedPackage& package, const LockedFile& file) const;
  // Whether only the file itself can show that a file with this SHA-256 is allowed.
  bool needs_content(const LockedPackage& package, const Sha256& sha256) const;
  // Error(corrupt) when the file itself is none of those that are allowed.
  void check_content(const LockedPackage& package, const LockedFile& file, const Sha256& sha256,
                     const fs::path& path) const;

 private:
  struct Pins {
    std::vector<FileHash> hashes;  // allowed; empty with `restricted`: none is
    bool restricted = false;
    bool exact = false;  // an exact version
    std::string place;   // of the first line with hashes, else of the first line
    std::string text;    // of that line
  };

  const Pins* find(const LockedPackage& package) const;
  void require(const LockedPackage& package) const;

  std::map<std::string, Pins> pins_;  // by name, or by URL where a line has no name
  std::string obligatory_;
};

}  // namespace dash::builder
