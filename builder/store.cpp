#include "builder/store.hpp"

#include "base/error.hpp"

#include <boost/filesystem/directory.hpp>

namespace dash::builder {

namespace {

// Makes the directories, and clears work/ of what killed builds left when nobody else has the store open.
FileLock enter(const fs::path& home) {
  return with_context("while opening the store " + home.string(), [&] {
    for (const char* part : {"snapshots", "packages", "records", "tools", "caches", "work"})
      make_directories(home / part);
    const auto lock_file = home / ".in-use";
    if (const auto alone = FileLock::try_acquire(lock_file, FileLock::Kind::exclusive)) {
      for (const auto& entry : fs::directory_iterator(home / "work")) remove_tree(entry.path());
    }
    return FileLock::acquire(lock_file, FileLock::Kind::shared);
  });
}

}  // namespace

Store::Store(const fs::path& home)
    : home_(home), in_use_(enter(home)), layout_(oci::ImageLayout::open_or_create(home / "layout")) {}

}  // namespace dash::builder
