#include "builder/system/layer_files.hpp"

#include "base/archive.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/compression.hpp"

#include <optional>

namespace dash::builder {

namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1} << 20;

// "./etc/passwd" and "/etc/passwd" are "etc/passwd"; a directory's final slash goes.
std::string_view normalised(std::string_view path) {
  while (path.starts_with("./") || path.starts_with('/')) path.remove_prefix(path.starts_with('/') ? 1 : 2);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

bool is_below(std::string_view path, std::string_view directory) {
  return directory.empty() ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

// What a whiteout entry removes, and what an opaque marker hides (image-spec layer.md, "Whiteouts").
struct Hidden {
  std::string path;
  bool only_below = false;
  bool covers(std::string_view other) const {
    return is_below(other, path) || (!only_below && other == path);
  }
};

std::optional<Hidden> hidden_by(std::string_view path) {
  const auto slash = path.rfind('/');
  const auto directory = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  const auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (name == ".wh..wh..opq") return Hidden{std::string(directory), true};
  if (!name.starts_with(".wh.")) return std::nullopt;
  return Hidden{concat(directory, directory.empty() ? "" : "/", name.substr(4)), false};
}

// Reads one layer: takes from `wanted` what it decides, with contents into `found`.
void read_layer(ArchiveReader& reader, std::set<std::string>& wanted,
                std::map<std::string, std::string>& found) {
  std::set<std::string> decided;
  auto hide = [&](const Hidden& hidden) {
    for (const auto& path : wanted)
      if (hidden.covers(path)) decided.insert(path);
  };
  while (const auto entry = reader.next()) {
    const auto path = normalised(entry->path);
    if (const auto hidden = hidden_by(path)) {
      hide(*hidden);
    } else if (const std::string key(path); wanted.contains(key)) {
      decided.insert(key);
      found.erase(key);  // a later entry of the same layer wins
      if (entry->type == EntryType::file) found[key] = read_all(reader.content(), kMaxFile, key);
    } else if (entry->type != EntryType::directory) {
      hide({key, true});  // what was a directory below is none any more
    }
  }
  for (const auto& path : decided) wanted.erase(path);
}

}  // namespace

std::map<std::string, std::string> read_layer_files(const oci::BlobStore& blobs,
                                                    const std::vector<oci::Layer>& layers,
                                                    const std::set<std::string>& paths,
                                                    std::stop_token stop) {
  std::map<std::string, std::string> found;
  auto wanted = paths;
  for (auto layer = layers.rbegin(); layer != layers.rend() && !wanted.empty(); ++layer) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "stopped while reading the base image");
    const auto name = concat("layer ", layer->blob.digest.to_string());
    const auto tar = oci::make_decompressor(blobs.open(layer->blob), name);
    ArchiveReader reader(*tar, ArchiveReader::Format::tar, name);
    read_layer(reader, wanted, found);
  }
  return found;
}

}  // namespace dash::builder
