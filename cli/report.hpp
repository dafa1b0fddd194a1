// What a finished build says: for a person, and as --metadata-file (docs/formats/metadata.md).
#pragma once

#include "builder/build.hpp"

#include <iosfwd>
#include <string>

namespace dash::cli {

// What is said of each step besides its decision: its layers, or also all its inputs.
enum class ReportDetail { layers, inputs };

void print_report(std::ostream& out, const builder::BuildRequest& request, const builder::BuildReport& report,
                  ReportDetail detail);

// Replaces the file atomically.
void write_metadata(const fs::path& file, const builder::BuildRequest& request,
                    const builder::BuildReport& report);

// The text with blanks after it, up to `width` bytes.
std::string pad(std::string text, std::size_t width);

}  // namespace dash::cli
