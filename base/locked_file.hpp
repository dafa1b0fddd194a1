// Files that are locked (flock) while they are open, for whoever keeps content in the file they lock.
// FileLock (file.hpp) is for those who only want the lock.
#pragma once

#include "base/file.hpp"

namespace dash {

// Opens the file for reading and writing, makes it when absent, and waits for the lock, which lasts as long
// as the descriptor. What comes back is the file that `path` names then: one that somebody removed or renamed
// while the lock was waited for is nobody's any more.
UniqueFd open_locked(const fs::path& path, FileLock::Kind kind);

// No descriptor when somebody else holds the lock in a way that excludes us.
UniqueFd try_open_locked(const fs::path& path, FileLock::Kind kind);

}  // namespace dash
