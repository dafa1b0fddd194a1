// The one place that names the filesystem library: Boost.Filesystem, as `dash::fs`.
#pragma once

#include <boost/filesystem/operations.hpp>
#include <boost/filesystem/path.hpp>

namespace dash {
namespace fs = boost::filesystem;
}  // namespace dash
