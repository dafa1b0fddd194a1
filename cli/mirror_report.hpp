// What a mirror run says when it is done.
#pragma once

#include "registry/mirror/mirror_sync.hpp"

#include <iosfwd>

namespace dash::cli {

// What changed, one line each, and totals. `mode` as it was run with.
void print_report(std::ostream& out, const registry::SyncReport& report, registry::SyncMode mode);

// Everything, as docs/formats/mirror.md describes it.
void print_json(std::ostream& out, const registry::SyncReport& report, registry::SyncMode mode);

// Every failure in the form of all errors.
void print_failures(std::ostream& out, const registry::SyncReport& report);

}  // namespace dash::cli
