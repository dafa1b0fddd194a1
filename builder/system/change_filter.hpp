// What package managers leave behind that no image should carry.
#pragma once

#include <string_view>

namespace dash::builder {

// True for package lists, download and linker caches, logs, locks, backups and machine ids: they are large,
// differ from one run to the next, or belong to one machine. `path` is relative to the root, without "/" in
// front.
bool is_system_noise(std::string_view path);

}  // namespace dash::builder
