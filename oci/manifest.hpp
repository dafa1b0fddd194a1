// Image manifests, indexes and configurations as values, and their JSON (image-spec manifest.md,
// image-index.md, config.md).
//
// Parsing accepts the OCI and the Docker schema 2 media types; writing makes OCI JSON with keys in a fixed
// order, so that equal values have equal digests. Fields that this program does not know are dropped on
// writing: a document that is passed on must be passed on as its bytes.
#pragma once

#include "oci/descriptor.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::oci {

// Documents larger than this are refused (distribution-spec asks registries to accept at least 4 MiB).
inline constexpr std::uint64_t kMaxDocumentSize = std::uint64_t{4} << 20;

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;
  Annotations annotations;
  std::string artifact_type = {};  // of what is no image; empty for images

  // The type of an artifact that is no image: `artifact_type`, else its configuration's media type
  // (image-spec manifest.md, "Guidelines for Artifact Usage"). Empty for images.
  std::string artifact() const;
  // Throws Error(corrupt) naming `name` when the JSON is not an image manifest.
  static Manifest parse(std::string_view json, std::string_view name);
  std::string to_json() const;
};

struct Index {
  std::vector<Descriptor> manifests;
  Annotations annotations;

  static Index parse(std::string_view json, std::string_view name);
  std::string to_json() const;
};

struct HistoryEntry {
  std::string created;
  std::string created_by;
  std::string comment;
  bool empty_layer = false;
  bool operator==(const HistoryEntry&) const = default;
};

// The part of an image configuration that this program reads and writes.
struct ImageConfig {
  std::string created;  // RFC 3339
  Platform platform;
  std::string user;
  std::vector<std::string> exposed_ports;  // "5000/tcp"
  std::vector<std::string> environment;    // "NAME=value", in order
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> volumes;
  std::string working_directory;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::vector<DiffId> diff_ids;
  std::vector<HistoryEntry> history;
  // Further members of the document, as JSON text by name: those with a dot in their name ("io.example.x"),
  // which no specification will ever define and everybody else ignores (image-spec considerations.md,
  // "Extensibility").
  std::map<std::string, std::string> extensions;

  static ImageConfig parse(std::string_view json, std::string_view name);
  std::string to_json() const;

  // Replaces NAME's entry where it stands or appends it.
  void set_environment(std::string_view name, std::string_view value);
  std::optional<std::string> environment_value(std::string_view name) const;
};

}  // namespace dash::oci
