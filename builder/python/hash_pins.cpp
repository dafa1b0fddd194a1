#include "builder/python/hash_pins.hpp"

#include "base/checksum.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/percent.hpp"
#include "builder/python/uv_run.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr const char* kAllHint =
    "\"pip-compile --generate-hashes\" or \"uv pip compile --generate-hashes\" write a file with every "
    "package, "
    "version and hash; or remove every --hash.";

bool names(const std::vector<FileHash>& hashes, std::string_view algorithm, std::string_view hex) {
  return std::ranges::any_of(
      hashes, [&](const FileHash& hash) { return hash.algorithm == algorithm && hash.hex == hex; });
}

// Only when every hash is a SHA-256 does another SHA-256 prove that the file is a wrong one.
bool certainly_wrong(const std::vector<FileHash>& hashes, const Sha256& sha256) {
  return !names(hashes, "sha256", to_hex(sha256)) &&
         std::ranges::all_of(hashes, [](const FileHash& hash) { return hash.algorithm == "sha256"; });
}

// pip's rule for two lines: per algorithm, what both allow.
std::vector<FileHash> common(const std::vector<FileHash>& a, const std::vector<FileHash>& b) {
  std::vector<FileHash> out;
  std::ranges::copy_if(a, std::back_inserter(out),
                       [&](const FileHash& hash) { return names(b, hash.algorithm, hash.hex); });
  return out;
}

std::string shown(const std::vector<FileHash>& hashes) {
  std::vector<std::string> out;
  for (const auto& hash : hashes) out.push_back(concat(hash.algorithm, ':', hash.hex));
  return out.empty() ? "none that all lines for it allow" : join(out, " or ");
}

std::string title(const LockedPackage& package) {
  return package.version.empty() ? package.name : concat(package.name, "==", package.version);
}

Error mismatch(const std::string& place, const LockedFile& file, const std::vector<FileHash>& expected,
               std::string_view got) {
  return Error(ErrorCode::corrupt,
               concat(place, ": ", file.file_name, " is not the file that was pinned: expected ",
                      shown(expected), ", got ", got))
      .with_hint(
          "Either the pin is old or the package index serves another file. Compare with the hash that the "
          "project publishes, then correct the --hash, or the index.");
}

}  // namespace

std::string requirement_target(std::string_view text) {
  text = text.substr(0, text.find_first_of("#;[ "));
  if (text.starts_with("git+")) {
    text.remove_prefix(4);
    if (const auto at = text.rfind('@'); at != std::string_view::npos && at > text.rfind('/'))
      text = text.substr(0, at);
  }
  return without_credentials(percent_decoded(text));
}

std::string package_target(const LockedPackage& package) {
  const auto url_of = [](const std::string& url, const std::string& path) {
    return requirement_target(url.empty() ? concat("file://", path) : url);
  };
  if (package.archive) return url_of(package.archive->url, package.archive->path);
  if (package.directory) return url_of("", package.directory->path);
  if (package.vcs) return url_of(package.vcs->url, package.vcs->path);
  return {};
}

HashPins::HashPins(const std::vector<RequirementLine>& lines, std::string obligatory)
    : obligatory_(std::move(obligatory)) {
  for (const auto& line : lines) {
    const auto [at, is_new] = pins_.emplace(line.name.empty() ? requirement_target(line.text) : line.name,
                                            Pins{{}, false, false, line.place, line.text});
    auto& pins = at->second;
    if (line.pin == RequirementLine::Pin::exact) pins.exact = true;
    if (line.hashes.empty()) continue;
    pins.hashes = pins.restricted ? common(pins.hashes, line.hashes) : line.hashes;
    if (!pins.restricted) {
      pins.place = line.place;
      pins.text = line.text;
    }
    pins.restricted = true;
  }
}

const HashPins::Pins* HashPins::find(const LockedPackage& package) const {
  auto found = pins_.find(package.name);
  if (found == pins_.end()) found = pins_.find(package_target(package));
  return found == pins_.end() ? nullptr : &found->second;
}

std::string HashPins::place(const LockedPackage& package) const {
  const auto* pins = find(package);
  return pins == nullptr ? "" : pins->place;
}

void HashPins::require(const LockedPackage& package) const {
  const auto* pins = find(package);
  const auto because = concat("hashes are obligatory since ", obligatory_, " asks for one");
  const auto error = [&](std::string_view what) {
    return Error(ErrorCode::invalid_input,
                 concat(pins == nullptr ? "" : concat(pins->place, ": "), what, "; ", because));
  };
  if (package.vcs)
    throw error(concat(package.name, " comes from a repository, which has no hash"))
        .with_hint("Name an archive or a release with its --hash instead, or remove every --hash.");
  if (package.directory)
    throw error(concat(package.name, " comes from a directory, which has no hash"))
        .with_hint("Build a wheel of it, add that to the app with its --hash, or remove every --hash.");
  if (pins == nullptr && !package.archive)
    throw error(concat(title(package), " is needed by another package, but no line pins it"))
        .with_hint(concat("Add ", title(package), " with its --hash. ", kAllHint));
  if (!package.archive && !pins->exact)
    throw error(concat(package.name, " is not pinned to a version by =="))
        .with_hint(concat("Write ", title(package), " --hash=…. ", kAllHint));
  if (pins != nullptr && pins->restricted) return;
  const LockedFile* file = package.archive           ? &*package.archive
                           : !package.wheels.empty() ? &package.wheels.front()
                           : package.sdist           ? &*package.sdist
                                                     : nullptr;
  throw error(concat(title(package), " has no --hash"))
      .with_hint(file != nullptr && file->sha256
                     ? concat("If ", file->file_name,
                              " is the right file, add --hash=sha256:", to_hex(*file->sha256), ". ", kAllHint)
                     : concat("\"pip download --no-deps ", title(package),
                              "\" and \"pip hash FILE\" print it. ", kAllHint));
}

void HashPins::apply(Lock& lock, const std::string& exempt) const {
  for (auto& package : lock.packages) {
    if (!obligatory_.empty() && package.name != exempt) require(package);
    const auto* pins = find(package);
    if (pins == nullptr || !pins->restricted) continue;
    const auto is_named = [&](const LockedFile& file) {
      return file.sha256 && names(pins->hashes, "sha256", to_hex(*file.sha256));
    };
    if (std::ranges::none_of(package.wheels, is_named) && !(package.sdist && is_named(*package.sdist)))
      continue;
    const auto is_other = [&](const LockedFile& file) { return file.sha256 && !is_named(file); };
    std::erase_if(package.wheels, is_other);
    if (package.sdist && is_other(*package.sdist)) package.sdist.reset();
  }
}

void HashPins::check_known(const LockedPackage& package, const LockedFile& file) const {
  const auto* pins = find(package);
  if (pins != nullptr && pins->restricted && file.sha256 && certainly_wrong(pins->hashes, *file.sha256))
    throw mismatch(pins->place, file, pins->hashes, concat("sha256:", to_hex(*file.sha256)));
}

bool HashPins::needs_content(const LockedPackage& package, const Sha256& sha256) const {
  const auto* pins = find(package);
  return pins != nullptr && pins->restricted && !names(pins->hashes, "sha256", to_hex(sha256));
}

void HashPins::check_content(const LockedPackage& package, const LockedFile& file, const Sha256& sha256,
                             const fs::path& path) const {
  if (!needs_content(package, sha256)) return;
  const auto* pins = find(package);
  std::string got = concat("sha256:", to_hex(sha256));
  for (const auto* algorithm : {"sha512", "sha384"}) {
    const bool asked =
        std::ranges::any_of(pins->hashes, [&](const FileHash& hash) { return hash.algorithm == algorithm; });
    if (!asked) continue;
    FileSource content(path);
    const auto hex = checksum_hex(algorithm, content);
    if (names(pins->hashes, algorithm, hex)) return;
    got = concat(algorithm, ':', hex);
  }
  throw mismatch(pins->place, file, pins->hashes, got);
}

}  // namespace dash::builder
