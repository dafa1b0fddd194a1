// The default base image: Debian 12 with what a Dash app needs to run, made from the host's own package
// sources.
#pragma once

#include "builder/workbench.hpp"
#include "oci/manifest.hpp"

#include <string>
#include <vector>

namespace dash::builder {

struct BaseImage {
  oci::ImageConfig config;
  std::vector<oci::Layer> layers;
};

// Everything that decides what `bootstrap_base` makes, apart from the archives' own changes: recipe version,
// packages and a digest of the host's Debian sources. For step keys. Error(unsupported) when the host has no
// such sources.
std::string base_recipe_identity(const HostSettings& host);

// Bootstraps it with mmdebstrap: Python 3.11, CA certificates, time zones, libgomp, apt; the app user
// with home /app; no compiler, documentation, translations, package lists, logs, host certificates or
// machine id. The same archives give the same digest. Takes about a minute and needs root.
BaseImage bootstrap_base(const Workbench& bench);

}  // namespace dash::builder
