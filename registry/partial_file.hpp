// The unfinished half of a download: `<destination>.part`, hashed while it is written, resumable.
#pragma once

#include "base/file.hpp"
#include "base/sha256.hpp"

#include <cstdint>
#include <optional>

namespace dash::registry {

// Owns `<destination>.part`. When another process owns it, or nothing can tell whether what it holds is
// right, a file of an unpredictable name is used instead and removed on destruction unless committed.
class PartialFile {
 public:
  enum class Resume { no, yes };
  PartialFile(const fs::path& destination, Resume resume);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  std::uint64_t size() const { return size_; }
  void append(Bytes bytes);
  // Starts over with an empty file.
  void clear();
  // Digest of the whole content. Call once, at the end.
  Sha256 digest() { return hasher_->value(); }
  // Makes the file durable and moves it to the destination.
  void commit();
  // Removes the file now (its content is wrong).
  void discard();

 private:
  bool adopt(const fs::path& path);
  void hash_existing();

  fs::path destination_;
  fs::path path_;
  UniqueFd fd_;
  std::uint64_t size_ = 0;
  std::uint64_t handed_over_ = 0;  // to the disk
  std::optional<Sha256Hasher> hasher_;
  enum class OnExit { keep, remove } on_exit_ = OnExit::remove;
};

}  // namespace dash::registry
