#include "registry/repository_store.hpp"

#include "base/error.hpp"

namespace dash::registry {

namespace {

class OwnedText : public Source {
 public:
  explicit OwnedText(std::string text) : text_(std::move(text)), source_(text_) {}
  std::size_t read(MutableBytes buffer) override { return source_.read(buffer); }

 private:
  std::string text_;
  MemorySource source_;
};

}  // namespace

std::unique_ptr<Source> RepositoryStore::open(const oci::Descriptor& blob) const {
  if (!oci::media_type::is_index(blob.media_type) && !oci::media_type::is_manifest(blob.media_type))
    return source_.blob(blob);
  return std::make_unique<OwnedText>(source_.document(blob));
}

std::unique_ptr<oci::BlobWriter> RepositoryStore::begin_write() {
  throw Error(ErrorCode::internal, "a repository is only read here");
}

}  // namespace dash::registry
