#include "builder/conda/package_record.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

constexpr int kLinkTypeCopy = 3;  // conda's number

[[noreturn]] void fail(const PackageArchive& archive, const std::string& what) {
  throw Error(ErrorCode::corrupt, concat(archive.name(), ": ", what))
      .with_hint("The package is broken. Use another version or build of it, or report it to its channel.");
}

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? "" : found->get<std::string>();
}

// "conda-forge::numpy >=1.11" → "numpy".
std::string name_of_spec(std::string_view spec) {
  if (const auto channel = spec.rfind("::"); channel != std::string_view::npos)
    spec.remove_prefix(channel + 2);
  return to_lower(spec.substr(0, spec.find_first_of(" \t=<>!~[;")));
}

// "name = module:function"
EntryPoint entry_point(const std::string& text, const PackageArchive& archive) {
  const auto colon = text.rfind(':');
  const auto equal = text.rfind('=', colon);
  const auto word = [&](std::size_t from, std::size_t to) {
    const auto words = split_words(std::string_view(text).substr(from, to - from));
    return words.size() == 1 ? std::string(words.front()) : std::string();
  };
  EntryPoint out;
  if (colon != std::string::npos && equal != std::string::npos)
    out = {word(0, equal), word(equal + 1, colon), word(colon + 1, text.size())};
  const auto is_dotted_name = [](std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
      return c == '.' || c == '_' || static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') ||
             (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    });
  };
  if (out.name.empty() || !is_dotted_name(out.module) || !is_dotted_name(out.function))
    fail(archive, concat("it has an entry point that is none: ", dash::quoted(text)));
  return out;
}

// "python", "generic", or, in old packages, true.
PackageIndex::Noarch noarch_of(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? PackageIndex::Noarch::generic : PackageIndex::Noarch::no;
  if (!value.is_string()) return PackageIndex::Noarch::no;
  const auto word = to_lower(value.get<std::string>());
  if (word == "python") return PackageIndex::Noarch::python;
  return word.empty() ? PackageIndex::Noarch::no : PackageIndex::Noarch::generic;
}

void read_link_json(const Json& json, const PackageArchive& archive, PackageIndex& out) {
  const auto noarch = json.find("noarch");
  if (noarch == json.end() || !noarch->is_object()) return;
  if (out.noarch == PackageIndex::Noarch::no) out.noarch = noarch_of(noarch->value("type", Json()));
  const auto entries = noarch->find("entry_points");
  if (entries == noarch->end() || entries->is_null() || out.noarch != PackageIndex::Noarch::python) return;
  for (const Json& entry : *entries)
    out.entry_points.push_back(entry_point(entry.get<std::string>(), archive));
}

Json path_json(const RecordedPath& path) {
  Json out = {{"_path", path.path}, {"path_type", path.type}};
  if (!path.sha256.empty()) out["sha256"] = path.sha256;
  if (!path.sha256_in_prefix.empty()) out["sha256_in_prefix"] = path.sha256_in_prefix;
  if (path.size) out["size_in_bytes"] = *path.size;
  if (!path.placeholder.empty()) {
    out["prefix_placeholder"] = path.placeholder;
    out["file_mode"] = path.file_mode;
  }
  if (path.no_link) out["no_link"] = true;
  return out;
}

// Channels hold any bytes; what is not UTF-8 must not stop an installation.
std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace

PackageIndex read_package_index(const PackageArchive& archive, const CondaPackageUrl& package) {
  PackageIndex out;
  const std::string* own = archive.info("index.json");
  out.json = !package.repodata.empty() ? package.repodata : own == nullptr ? "" : *own;
  if (out.json.empty()) fail(archive, "it has no info/index.json");
  const char* file = package.repodata.empty() ? "index.json" : "its record in the channel";
  try {
    const Json json = Json::parse(out.json);
    out.name = text_of(json, "name");
    out.version = text_of(json, "version");
    out.build = text_of(json, "build");
    if (out.name.empty() || out.version.empty()) fail(archive, concat(file, " has no name or version"));
    if (const auto depends = json.find("depends"); depends != json.end() && depends->is_array()) {
      std::set<std::string> names;
      for (const Json& spec : *depends) names.insert(name_of_spec(spec.get<std::string>()));
      out.dependencies.assign(names.begin(), names.end());
    }
    if (const auto noarch = json.find("noarch"); noarch != json.end()) out.noarch = noarch_of(*noarch);
    out.python_site_packages = text_of(json, "python_site_packages_path");
    file = "link.json";
    for (const auto* name : {"link.json", "package_metadata.json"})
      if (const std::string* text = archive.info(name)) {
        read_link_json(Json::parse(*text), archive, out);
        break;
      }
  } catch (const Json::parse_error& error) {
    fail(archive, concat(file, " is not valid JSON (byte ", error.byte, ")"));
  } catch (const Json::exception&) {
    fail(archive, concat(file, " does not have the form it should have"));
  }
  return out;
}

std::string package_record(const PackageIndex& index, const CondaPackageUrl& package,
                           const std::string& prefix, const std::vector<RecordedPath>& paths) {
  Json out = Json::parse(index.json);
  Json files = Json::array();
  Json recorded = Json::array();
  for (const RecordedPath& path : paths) {
    files.push_back(path.path);
    recorded.push_back(path_json(path));
  }
  out["channel"] = package.channel();
  if (!out.contains("subdir")) out["subdir"] = package.subdir();
  out["url"] = package.public_url();
  out["fn"] = package.file_name();
  out["md5"] = package.digests.md5;
  out["sha256"] = to_hex(package.digests.sha256.value());
  out["files"] = std::move(files);
  out["paths_data"] = {{"paths", std::move(recorded)}, {"paths_version", 1}};
  out["link"] = {{"source", concat(prefix, "/pkgs/", package.dist())}, {"type", kLinkTypeCopy}};
  out["extracted_package_dir"] = concat(prefix, "/pkgs/", package.dist());
  out["package_tarball_full_path"] = concat(prefix, "/pkgs/", package.file_name());
  return dump(out);
}

std::string add_bytecode(const std::string& record, const std::vector<std::string>& pyc_paths) {
  Json out = Json::parse(record);
  for (const std::string& path : pyc_paths) {
    out["files"].push_back(path);
    out["paths_data"]["paths"].push_back({{"_path", path}, {"path_type", "pyc_file"}});
  }
  return dump(out);
}

}  // namespace dash::builder
