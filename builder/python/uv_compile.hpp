// "uv pip compile" in the sandbox, over the image's interpreter, as often as an answer takes.
#pragma once

#include "builder/python/resolve.hpp"
#include "builder/python/uv_run.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

class UvCompile {
 public:
  static constexpr const char* kDirectory = "/run/dash-build/resolve";

  struct Attempt {
    int exit_code = 0;
    std::string output;  // standard output
    std::string errors;  // from uv's "error:" line on
  };

  // `settings` are request.settings, or others to run uv with. All must outlive this.
  UvCompile(const Workbench& bench, const ResolveRequest& request, const UvSettings& settings);

  // On the host, for what uv reads and writes; seen as kDirectory.
  const fs::path& directory() const { return directory_; }
  // From now on /app is an empty directory on the host that can be written to, or with Sources::layered
  // what is put there comes on top of the image's; returns it.
  const fs::path& copy_app();

  // Compiles a file of the directory. `log` gets what uv writes before it fails.
  Attempt run(const std::string& file, const std::vector<std::string>& more,
              const std::function<void(std::string_view)>& log) const;

 private:
  std::string interpreter() const;
  void show_app(SandboxCommand& command) const;

  const Workbench& bench_;
  const ResolveRequest& request_;
  const UvSettings& settings_;
  TempDirectory work_;
  fs::path directory_;
  fs::path copy_;  // empty: /app is the app itself, read only
  UvCommand uv_;
};

}  // namespace dash::builder
