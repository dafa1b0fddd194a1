// `df`: what takes the store's disk.
#include "base/text.hpp"
#include "builder/store_usage.hpp"
#include "cli/commands.hpp"
#include "cli/images.hpp"
#include "cli/quantities.hpp"
#include "cli/report.hpp"

#include <algorithm>
#include <iostream>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

using Kind = builder::StoreItem::Kind;
using Json = nlohmann::ordered_json;

struct Row {
  std::string name;
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t reclaimable = 0;
  std::optional<oci::FileTime> oldest;  // when the one that was used least recently was used
};

std::string name_of(const builder::StoreItem& item) {
  if (item.kind == Kind::layer) return item.named ? "layers of images" : "other layers";
  return std::string(to_string(item.kind));
}

std::vector<Row> rows_of(const builder::StoreUsage& usage) {
  std::vector<Row> rows;
  for (const auto* name :
       {"image documents", "layers of images", "other layers", "unpacked layers", "toolchains", "packages",
        "caches", "tools", "records", "partial downloads", "transfers", "running builds", "other"})
    rows.push_back({name, 0, 0, 0, {}});
  for (const auto& item : usage.items) {
    auto& row = *std::ranges::find(rows, name_of(item), &Row::name);
    ++row.count;
    row.bytes += item.bytes;
    if (item.is_reclaimable()) {
      row.reclaimable += item.bytes;
      row.oldest = std::min(row.oldest.value_or(item.last_used), item.last_used);
    }
  }
  return rows;
}

constexpr oci::FileTime kSecond = 1'000'000'000;

Json json_of(const std::vector<Row>& rows, const builder::StoreUsage& usage,
             const std::optional<std::uint64_t>& quota) {
  Json out;
  out["images"] = usage.images;
  out["bytes"] = usage.bytes();
  out["reclaimable"] = 0;
  out["quota"] = quota ? Json(*quota) : Json(nullptr);
  out["kinds"] = Json::array();
  std::uint64_t reclaimable = 0;
  for (const auto& row : rows) {
    reclaimable += row.reclaimable;
    Json entry = {
        {"kind", row.name}, {"count", row.count}, {"bytes", row.bytes}, {"reclaimable", row.reclaimable}};
    if (row.oldest) entry["leastRecentlyUsed"] = *row.oldest / kSecond;
    out["kinds"].push_back(std::move(entry));
  }
  out["reclaimable"] = reclaimable;
  return out;
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

void print_table(const std::vector<Row>& rows, const builder::StoreUsage& usage,
                 const std::optional<std::uint64_t>& quota) {
  constexpr std::size_t kName = 18;
  constexpr std::size_t kCount = 8;
  constexpr std::size_t kSize = 14;
  const auto line = [](const std::string& name, const std::string& count, const std::string& size,
                       const std::string& reclaimable) {
    std::cout << pad(name, kName) << right(count, kCount) << right(size, kSize)
              << (reclaimable.empty() ? "" : right(reclaimable, kSize)) << '\n';
  };
  line("", "count", "size", "reclaimable");
  std::uint64_t reclaimable = 0;
  for (const auto& row : rows) {
    reclaimable += row.reclaimable;
    if (row.count > 0)
      line(row.name, std::to_string(row.count), human_size(row.bytes), human_size(row.reclaimable));
  }
  line("all", "", human_size(usage.bytes()), human_size(reclaimable));
  if (quota) line("quota", "", human_size(*quota), "");
  std::cout << usage.images << (usage.images == 1 ? " image" : " images")
            << "; what is reclaimable can be made or fetched again ('dash-build gc --keep-bytes SIZE')\n";
}

}  // namespace

int run_command(const UsageOptions& options, std::stop_token stop) {
  std::optional<std::uint64_t> quota;
  if (!options.quota.empty() && options.quota != "0") quota = parse_size(options.quota, "--quota");
  const auto store = open_store(options.common);
  const auto usage = builder::measure_store(store, stop);
  const auto rows = rows_of(usage);
  if (options.json)
    std::cout << json_of(rows, usage, quota).dump(2) << '\n';
  else
    print_table(rows, usage, quota);
  return 0;
}

}  // namespace dash::cli
