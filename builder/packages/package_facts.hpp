// What must be known of an installed distribution to decide about layers and clashes: kept in the store, so
// that a package whose layer exists needs neither be downloaded nor opened.
#pragma once

#include "builder/step_inputs.hpp"
#include "builder/store.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace dash::builder {

struct PackageFacts {
  struct File {
    std::string path;     // relative to the root
    std::string content;  // names the content and mode: equal names, equal files; empty for what has no equal
    enum class Kind { installed, bytecode } kind = Kind::installed;
  };

  std::string name;
  std::string version;
  std::vector<std::string> dependencies;  // names
  std::uint64_t weight = 0;               // about its bytes in a layer, compressed
  std::vector<File> files;                // all that is installed, with .pyc files
};

// A record's file, and what it says; nothing when it is damaged or outdated.
std::string to_json(const PackageFacts& facts);
std::optional<PackageFacts> parse_package_facts(std::string_view json);

// Directory of records.
inline constexpr const char* kPackageRecords = "packages";

// Facts in the store: records/packages/<key>.json (docs/formats/records.md). Safe to use from several
// threads and processes.
class PackageRecords {
 public:
  explicit PackageRecords(Store& store) : store_(store) {}

  // Nothing when there is no record, or one that cannot be read.
  std::optional<PackageFacts> find(const StepKey& key) const;
  void save(const StepKey& key, const PackageFacts& facts);

 private:
  fs::path path(const StepKey& key) const;
  Store& store_;
};

}  // namespace dash::builder
