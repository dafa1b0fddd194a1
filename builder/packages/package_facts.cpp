#include "builder/packages/package_facts.hpp"

#include "base/text.hpp"

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kVersion = 1;

}  // namespace

fs::path PackageRecords::path(const StepKey& key) const {
  return store_.records() / kPackageRecords / concat(key.hex(), ".json");
}

std::optional<PackageFacts> PackageRecords::find(const StepKey& key) const {
  const auto text = read_file_if_exists(path(key));
  return text ? parse_package_facts(*text) : std::nullopt;
}

void PackageRecords::save(const StepKey& key, const PackageFacts& facts) {
  make_directories(path(key).parent_path());
  write_file_atomic(path(key), to_json(facts));
}

std::optional<PackageFacts> parse_package_facts(std::string_view text) {
  try {
    const auto json = Json::parse(text);
    if (json.at("version") != kVersion) return std::nullopt;
    PackageFacts out;
    out.name = json.at("package").get<std::string>();
    out.version = json.at("release").get<std::string>();
    out.dependencies = json.at("requires").get<std::vector<std::string>>();
    out.weight = json.at("weight").get<std::uint64_t>();
    for (const auto& [list, kind] : {std::pair("files", PackageFacts::File::Kind::installed),
                                     std::pair("bytecode", PackageFacts::File::Kind::bytecode)})
      for (const auto& file : json.at(list))
        out.files.push_back({file.at(0).get<std::string>(), file.at(1).get<std::string>(), kind});
    return out;
  } catch (const std::exception&) {  // a record only saves work
    return std::nullopt;
  }
}

std::string to_json(const PackageFacts& facts) {
  Json out;
  out["version"] = kVersion;
  out["package"] = facts.name;
  out["release"] = facts.version;
  out["requires"] = facts.dependencies;
  out["weight"] = facts.weight;
  out["files"] = Json::array();
  out["bytecode"] = Json::array();
  for (const PackageFacts::File& file : facts.files)
    out[file.kind == PackageFacts::File::Kind::bytecode ? "bytecode" : "files"].push_back(
        Json::array({file.path, file.content}));
  return out.dump() + "\n";
}

}  // namespace dash::builder
