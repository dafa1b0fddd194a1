#include "registry/upload_journal.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace dash::registry {

namespace {
using Json = nlohmann::ordered_json;
constexpr int kVersion = 1;
constexpr std::uint64_t kMaxNote = std::uint64_t{64} << 10;
}  // namespace

UploadNote::UploadNote(const fs::path& directory, const std::string& target, const oci::Digest& digest)
    : target_(target), digest_(digest) {
  if (directory.empty()) return;
  const auto name = to_hex(sha256(concat(target, '@', digest.to_string())));
  try {
    make_directories(directory, 0700);
    lock_ = FileLock::try_acquire(directory / (name + ".lock"), FileLock::Kind::exclusive);
  } catch (const Error&) {
    return;  // a disk that is full or read-only is no reason not to upload
  }
  if (!lock_) return;
  file_ = directory / (name + ".json");
  const auto text = read_file_if_exists(file_, kMaxNote);
  if (!text) return;
  const auto json = Json::parse(*text, nullptr, false);
  if (json.is_object() && json.value("version", Json()) == kVersion &&
      json.value("target", Json()) == target && json.value("digest", Json()) == digest.to_string() &&
      json.contains("location") && json["location"].is_string())
    location_ = Url::parse(json["location"].get<std::string>());
}

// The lock file goes with the note, while the lock is still held: FileLock gives nobody a file that is gone.
UploadNote::~UploadNote() {
  if (file_.empty() || location_) return;
  auto lock_file = file_;
  ::unlink(lock_file.replace_extension(".lock").c_str());
}

void UploadNote::store(const Url& location) {
  location_ = location;
  if (file_.empty()) return;
  const Json json = {{"version", kVersion},
                     {"target", target_},
                     {"digest", digest_.to_string()},
                     {"location", location.to_string()}};
  try {
    // The location lets whoever has it write to the upload.
    write_file_atomic(file_, json.dump() + '\n', 0600);
  } catch (const Error&) {
    ::unlink(file_.c_str());  // what it says is out of date
  }
}

void UploadNote::forget() {
  location_.reset();
  if (!file_.empty()) ::unlink(file_.c_str());
}

}  // namespace dash::registry
