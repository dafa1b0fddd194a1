// The root directory of an app's source. Everything that reads an app's files goes through it, so that a
// symbolic link or a "../" in one of them never leads out of the app.
#pragma once

#include "base/file.hpp"
#include "base/sha256.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

enum class FileKind { missing, file, directory, other };

// Immutable; may be used by several threads at once. Names are paths relative to the root, with "/" between
// parts.
class AppDirectory {
 public:
  // Largest lifecycle file that is read; what is larger is certainly something else.
  static constexpr std::uint64_t kMaxText = std::uint64_t{4} << 20;

  // Error(not_found) when there is no such directory, Error(invalid_input) when it is no directory.
  explicit AppDirectory(const fs::path& path);

  const fs::path& path() const { return path_; }

  // What is there, symbolic links followed. A link that leads out of the app is an Error(invalid_input).
  FileKind kind(const std::string& name) const;
  bool has_file(const std::string& name) const { return kind(name) == FileKind::file; }

  // The content of a regular file; nothing when it does not exist. Something else of that name, a larger
  // file, an unreadable one and one outside of the app are Errors that name it.
  std::optional<std::string> read(const std::string& name, std::uint64_t limit = kMaxText) const;

  // Names in a directory of the app, sorted by bytes.
  std::vector<std::string> names(const std::string& directory = ".") const;

  // Opens what is below the root (openat2 with RESOLVE_BENEATH); nothing when it does not exist.
  // `flags` are those of open(2); O_CLOEXEC is added.
  std::optional<UniqueFd> open(const std::string& name, int flags) const;

  // Whether following the links in `name` leads out of the app. What does not exist, or leads in circles,
  // does not.
  bool leads_out(const std::string& name) const;

  // Digest of a regular file's content, which must exist.
  Sha256 digest(const std::string& name) const;

 private:
  // The descriptor, or none and `errno`.
  UniqueFd try_open(const std::string& name, int flags) const;

  fs::path path_;
  UniqueFd root_;
};

// "src//a/./b/../c" → "src/a/c"; "." for the root itself; nothing when the path is absolute or leads out of
// the root. Works on the text alone.
std::optional<std::string> normal_path(std::string_view path);

}  // namespace dash::builder
