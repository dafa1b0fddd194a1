// The configuration of the images that are built (docs/formats/image.md).
#pragma once

#include "oci/manifest.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dash::builder {

// Where the app, its Python environment or its conda are in every image.
inline constexpr const char* kAppDirectory = "/app";
inline constexpr const char* kPythonPrefix = "/app/.heroku/python";
inline constexpr const char* kCondaPrefix = "/app/.heroku/miniconda";
// uid and gid of the app's processes and files, and the name of both, by the convention of herokuish.
inline constexpr std::uint32_t kAppUser = 32767;
inline constexpr const char* kAppUserName = "herokuishuser";

using Variables = std::vector<std::pair<std::string, std::string>>;

// Configuration of an app's image on top of a base's: user, entry point, ports, labels, and the environment
// that an app finds. `variables` win over the defaults. History and diff ids are left as in the base.
oci::ImageConfig app_image_config(const oci::ImageConfig& base, std::string_view app_name,
                                  const Variables& variables, std::int64_t created);

// Seconds since the epoch as RFC 3339 in UTC ("1980-01-01T00:00:00Z").
std::string rfc3339(std::int64_t seconds);

}  // namespace dash::builder
