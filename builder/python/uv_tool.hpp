// Where the uv program comes from: named by a setting, or the pinned release, fetched once into the store.
#pragma once

#include "builder/workbench.hpp"

#include <functional>
#include <future>
#include <optional>
#include <stop_token>
#include <string>

namespace dash::builder {

// The uv of one build. `system_uv`, when not empty, is used as it is (it must be an executable file).
// Otherwise it is store.tools()/uv-<version>/uv; when that is missing, the host's pip downloads the pinned
// wheel (the package index and the credentials are pip's business), the hash is checked, and the program is
// unpacked there atomically. Safe to use in several processes with one store; an object belongs to one
// thread.
class UvTool {
 public:
  // `bench` must outlive the object.
  UvTool(const Workbench& bench, fs::path system_uv, std::string step);
  ~UvTool();  // stops what `fetch_ahead` started
  UvTool(const UvTool&) = delete;
  UvTool& operator=(const UvTool&) = delete;

  // Starts the download, if there has to be one, on a thread of its own. What fails is thrown by `program`.
  void fetch_ahead();

  // Path of the program on the host, fetched now when it is not there. Error(unavailable) with a hint when
  // pip is missing, cannot reach an index, or the build is offline; Error(unsupported) for a machine without
  // a pinned wheel.
  fs::path program();

 private:
  fs::path kept_program() const;

  const Workbench& bench_;
  fs::path system_uv_;
  std::string step_;
  std::stop_source stop_;
  std::optional<std::stop_callback<std::function<void()>>> stop_with_build_;
  std::future<fs::path> ahead_;
};

// The pinned release's wheel, downloaded into the directory. Errors as of UvTool::program.
fs::path download_uv_wheel(const Workbench& bench, const fs::path& directory);

}  // namespace dash::builder
