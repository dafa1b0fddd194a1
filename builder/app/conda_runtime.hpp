// conda-runtime.txt: which conda installer a conda app wants.
#pragma once

#include "builder/app/app_directory.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace dash::builder {

// Name of an installer without its platform and suffix, as the file holds it.
struct CondaRuntime {
  std::string installer;               // "Miniconda3-4.5.12", "Miniconda3-py39_4.12.0", "Miniforge3-latest"
  std::optional<std::string> version;  // the conda version to keep, when the name holds just that ("4.5.12")
  enum class Origin { file, standard } origin = Origin::file;
  bool operator==(const CondaRuntime&) const = default;
};

// What apps without the file get.
inline constexpr const char* kDefaultCondaInstaller = "Miniconda3-4.5.12";

// Paths, URLs, installers of other systems, complete file names and a second line are Errors with the reason.
CondaRuntime parse_conda_runtime(std::string_view text);

// The default when the app has no conda-runtime.txt.
CondaRuntime read_conda_runtime(const AppDirectory& app);

}  // namespace dash::builder
