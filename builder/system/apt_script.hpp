// The script that installs Debian packages inside the sandbox, and the files it reads.
#pragma once

#include "base/path.hpp"
#include "builder/app/apt_files.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// Where the script's files are in the sandbox.
inline constexpr const char* kAptInputDirectory = "/run/dash-build/apt";
// Where it says what it is at, and, when a package can't be installed, which ones there are (files "names"
// and "versions"); at the end dpkg's "diversions".
inline constexpr const char* kAptReportDirectory = "/run/dash-build/apt-report";

enum class Recommends { install, leave_out };

// Writes what the script needs to `directory` (which exists), to be mounted at kAptInputDirectory. The .deb
// files are copied from `app`, the app's directory. Passwords in URLs are put where nothing shows or keeps
// them.
void write_apt_files(const fs::path& directory, const AptFiles& files, const fs::path& app,
                     const std::vector<std::string>& transport, Recommends recommends);

// What the script was at: the name of the apt file and the number of the item in it, from 1; 0: the whole
// file.
struct AptStage {
  std::string file;
  std::size_t item = 0;
};
AptStage parse_apt_stage(std::string_view report);

// Names of the packages that apt's messages say it can't install, as they stand in apt-packages.
std::vector<std::string> unknown_packages(std::string_view output);
// The first package that is there, but not in the version that was asked for.
struct MissingVersion {
  std::string version;
  std::string package;
};
std::optional<MissingVersion> missing_version(std::string_view output);
// "PACKAGE needs DEPENDENCY" for what apt can't put together.
std::vector<std::string> unmet_dependencies(std::string_view output);
// "URL SUITE Release" of a package source that no known key signs, and of one that is not where it is looked
// for.
std::optional<std::string> unsigned_source(std::string_view output);
std::optional<std::string> absent_source(std::string_view output);
// True when apt's messages say that an archive could not be reached.
bool says_unreachable(std::string_view output);

}  // namespace dash::builder
