// What is known of steps that ran: their inputs and their layers (docs/formats/records.md).
#pragma once

#include "builder/step_inputs.hpp"
#include "builder/store.hpp"
#include "oci/descriptor.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// The fact of a record whose result depends on more than its key tells: on Step::variant, which is its value.
inline constexpr const char* kVariantFact = "compiled-with";
// The fact of the python-packages step that is its resolved set of packages: a pylock.toml without secrets.
inline constexpr const char* kLockFact = "lock";

// Facts with this prefix and a leaf's name are the lines of its file (StepInputs::lines).
inline constexpr const char* kLinesFact = "lines:";

struct StepRecord {
  std::string step;
  std::vector<Leaf> leaves;
  std::vector<oci::Layer> layers;  // lowest first
  // Further results that later steps or the image need, by name ("lock", "config").
  std::map<std::string, std::string> facts;
  double seconds = 0;  // how long it took when it ran

  void keep_lines(const ShownLines& lines);
  ShownLines lines() const;
};

// A record's file, and what it says; nothing when it is damaged or outdated.
std::string to_json(const StepRecord& record);
std::optional<StepRecord> parse_step_record(std::string_view json);

struct KeyedRecord {
  StepKey key;
  StepRecord record;
};

// Directories of records: of steps, and of layers that steps made of packages (one layer each, whose leaves
// are its packages).
inline constexpr const char* kStepRecords = "steps";
inline constexpr const char* kLayerRecords = "layers";

// Records in the store, one JSON file per key. Safe to use from several processes: files are replaced
// atomically.
class StepRecords {
 public:
  explicit StepRecords(Store& store, const char* directory = kStepRecords)
      : store_(store), directory_(directory) {}

  // The record for a key, when every layer it names is in the store, where it counts as used from now on, or in a
  // registry that promised it. Damaged or outdated files count as absent.
  std::optional<StepRecord> find(const StepKey& key) const;
  // The same, of those records only that serve the variant. It may be another one than `find` has.
  std::optional<StepRecord> find(const StepKey& key, std::string_view variant) const;
  // Replaces the key's record; those of its other variants stay.
  void save(const StepKey& key, const StepRecord& record);

  // Saves records that come from elsewhere, except where the store has one that serves the same builds.
  void adopt(const std::vector<KeyedRecord>& records);

  // Removes the records whose layers are not all in the store; returns how many. Calls `kept` with the
  // others. To be called under oci::lock_for_eviction.
  std::uint64_t remove_incomplete(const std::function<void(const StepRecord& record)>& kept = {});

  // Which keys the last build of an app had, by step: what "changed" is measured against.
  std::optional<StepRecord> last(std::string_view app, std::string_view step) const;
  void remember(std::string_view app, std::string_view step, const StepKey& key);

 private:
  fs::path record_path(std::string_view key_hex) const;
  fs::path app_path(std::string_view app, std::string_view step) const;
  std::optional<StepRecord> load(const fs::path& file) const;
  Store& store_;
  std::string directory_;
};

}  // namespace dash::builder
