// What became of the blobs of an image that was pushed, in words.
#pragma once

#include <string>

namespace dash::registry {
struct PushReport;
}

namespace dash::cli {

// "2 blobs sent (19 kB), 29 mounted, 0 already there", or "already there".
std::string push_summary(const registry::PushReport& report);

}  // namespace dash::cli
