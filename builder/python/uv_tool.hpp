// Where the uv program comes from: named by a setting, or the pinned release, fetched once into the store.
#pragma once

#include "builder/workbench.hpp"

#include <string>

namespace dash::builder {

// Path of a uv program on the host. `system_uv`, when not empty, is used as it is (it must be an executable
// file). Otherwise it is store.tools()/uv-<version>/uv; when that is missing, the host's pip downloads the
// pinned wheel (the package index and the credentials are pip's business), the hash is checked, and the
// program is unpacked there atomically. Error(unavailable) with a hint when pip is missing, cannot reach an
// index, or the build is offline; Error(unsupported) for a machine without a pinned wheel. Safe to call from
// several processes.
fs::path uv_program(const Workbench& bench, const fs::path& system_uv, const std::string& step);

}  // namespace dash::builder
