// What an image says about the build that made it: the records of its steps, so that another machine can go
// on from there (docs/formats/image.md).
#pragma once

#include "builder/step_record.hpp"
#include "oci/stored_image.hpp"

#include <string>
#include <vector>

namespace dash::builder {

// Member of the image's configuration. Not a label: runtimes copy labels to containers, and refuse long ones.
inline constexpr const char* kRecordsExtension = "io.dash-build.records";

// The value of kRecordsExtension: what was decided on, lowest first, without the times that steps took.
// Leaves and facts are those of the records, and so functions of the inputs and the layers: equal builds say
// equal things, whenever and wherever they ran.
std::string image_records_json(const std::vector<KeyedRecord>& steps);

struct ImageRecords {
  std::vector<KeyedRecord> steps;
  std::vector<KeyedRecord> layers;  // that steps made of packages; without leaves
};

// The records that an image carries, with its layers' descriptors; nothing when it was not built by this
// program, by another version of it, or was changed since. Never throws for its content.
ImageRecords read_image_records(const oci::Manifest& manifest, const oci::ImageConfig& config);

}  // namespace dash::builder
