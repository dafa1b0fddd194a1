#include "builder/store.hpp"

#include "base/error.hpp"

#include <cerrno>

#include <boost/filesystem/directory.hpp>
#include <sys/stat.h>

namespace dash::builder {

namespace {

// Makes the directories, and clears work/ of what killed builds left when nobody else has the store open.
FileLock enter(const fs::path& home) {
  return with_context("while opening the store " + home.string(), [&] {
    make_directories(home.parent_path());
    make_directories(home, 0700);
    for (const char* part : {"snapshots", "packages", "records", "tools", "caches", "work"})
      make_directories(home / part);
    // Unpacked layers hold set-user-id programs of foreign images, and sources that are not everybody's.
    for (const char* part : {"snapshots", "work", "caches"})
      if (::chmod((home / part).c_str(), 0700) != 0)
        throw system_error("cannot close " + (home / part).string() + " to others", errno);
    const auto lock_file = home / ".in-use";
    if (const auto alone = FileLock::try_acquire(lock_file, FileLock::Kind::exclusive)) {
      for (const auto& entry : fs::directory_iterator(home / "work")) remove_tree(entry.path());
    }
    return FileLock::acquire(lock_file, FileLock::Kind::shared);
  });
}

}  // namespace

bool Store::claim(const fs::path& item) const {
  const auto held = oci::lock_out_eviction(layout_.directory());
  boost::system::error_code absent;
  return fs::exists(item, absent) && oci::mark_used(item);
}

Store::Store(const fs::path& home, std::optional<std::uint64_t> quota)
    : home_(home),
      quota_(quota),
      in_use_(enter(home)),
      layout_(oci::ImageLayout::open_or_create(home / "layout")),
      layers_(layout_) {}

}  // namespace dash::builder
