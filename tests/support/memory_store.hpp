// A blob store in memory, for tests that need somewhere to put layers and look at them.
#pragma once

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/blob_store.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace dash::testing {

class MemoryStore : public oci::BlobStore {
 public:
  bool contains(const oci::Digest& digest) const override {
    const std::lock_guard lock(mutex_);
    return blobs_.contains(digest);
  }

  std::unique_ptr<Source> open(const oci::Descriptor& blob) const override {
    return std::make_unique<oci::VerifyingSource>(std::make_unique<TextSource>(bytes(blob.digest)), blob,
                                                  concat("blob ", blob.digest.to_string()));
  }

  std::unique_ptr<oci::BlobWriter> begin_write() override { return std::make_unique<Writer>(*this); }

  // The stored bytes, as they are; Error(not_found) when absent.
  std::string bytes(const oci::Digest& digest) const {
    const std::lock_guard lock(mutex_);
    const auto found = blobs_.find(digest);
    if (found == blobs_.end())
      throw Error(ErrorCode::not_found, concat("there is no blob ", digest.to_string()));
    return found->second;
  }

  // Replaces a blob's bytes without changing its digest: a damaged store.
  void damage(const oci::Digest& digest, std::string bytes) {
    const std::lock_guard lock(mutex_);
    blobs_[digest] = std::move(bytes);
  }

  std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return blobs_.size();
  }

 private:
  class TextSource : public Source {
   public:
    explicit TextSource(std::string text) : text_(std::move(text)), source_(text_) {}
    std::size_t read(MutableBytes buffer) override { return source_.read(buffer); }

   private:
    std::string text_;
    MemorySource source_;
  };

  class Writer : public oci::BlobWriter {
   public:
    explicit Writer(MemoryStore& store) : store_(store) {}
    void write(Bytes bytes) override { text_.append(as_text(bytes)); }
    void commit(const oci::Digest& digest) override {
      if (oci::Digest::of(text_) != digest)
        throw Error(ErrorCode::internal,
                    concat("a blob was committed as ", digest.to_string(), ", which it is not"));
      const std::lock_guard lock(store_.mutex_);
      store_.blobs_.emplace(digest, std::move(text_));
    }

   private:
    MemoryStore& store_;
    std::string text_;
  };

  mutable std::mutex mutex_;
  std::map<oci::Digest, std::string> blobs_;
};

}  // namespace dash::testing
