#include "oci/layer_writer.hpp"

#include "base/background_sink.hpp"
#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <utility>

namespace dash::oci {

namespace {

// image-spec layer.md, "Whiteouts" and "Opaque Whiteout".
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";

bool is_below(std::string_view path, std::string_view directory) {
  return directory.empty() ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

// Where the last component starts.
std::size_t name_start(std::string_view path) {
  return path.rfind('/') + 1;
}

bool is_whiteout(std::string_view path) {
  return path.substr(name_start(path)).starts_with(kWhiteoutPrefix);
}

}  // namespace

// The pipeline. Reading and the tar are the caller's thread, which also feeds the compressor; the hash over
// the tar and what follows the compressor each have a thread, so that with enough cores neither holds up the
// caller.
struct LayerWriter::State {
  explicit State(const LayerSettings& settings)
      : mtime(settings.mtime),
        media_type(settings.compression.layer_media_type()),
        blob(settings.store.begin_write()),
        blob_hash(*blob),
        output(blob_hash),
        compressor(make_compressor(settings.compression, output, settings.pool)),
        tar_hash(nowhere),
        tar_hash_thread(tar_hash),
        split(tar_hash_thread, *compressor),
        tar_size(split),
        tar(tar_size) {}

  std::int64_t mtime;
  std::string media_type;

  std::unique_ptr<BlobWriter> blob;
  HashingSink blob_hash;
  BackgroundSink output;
  std::unique_ptr<FinishSink> compressor;
  NullSink nowhere;
  HashingSink tar_hash;
  BackgroundSink tar_hash_thread;
  TeeSink split;
  CountingSink tar_size;
  TarWriter tar;

  std::string last;            // path of the last entry; "" before the first
  bool opaque_allowed = true;  // nothing but the directory's own entry came since its path became `last`
  bool finished = false;

  // Checks that an entry may come now, and remembers it.
  void advance(const std::string& path) {
    if (finished)
      throw Error(ErrorCode::internal, concat("the layer is finished; ", quoted(path), " comes too late"));
    if (!last.empty() && !layer_path_less(last, path))
      throw Error(ErrorCode::internal,
                  concat("layer entries are out of order: ", quoted(path), " comes after ", quoted(last)));
    last = path;
    opaque_allowed = false;
  }
};

bool layer_path_less(std::string_view a, std::string_view b) {
  const auto [left, right] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (right == b.end()) return false;
  if (left == a.end()) return true;
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
  return rank(*left) < rank(*right);
}

LayerWriter::LayerWriter(const LayerSettings& settings) : state_(std::make_unique<State>(settings)) {}
LayerWriter::~LayerWriter() = default;

void LayerWriter::begin(TarEntry entry) {
  auto& state = *state_;
  if (is_whiteout(entry.path))
    throw Error(
        ErrorCode::invalid_input,
        concat(quoted(entry.path), " cannot be put into a layer: names that start with .wh. mean deletions"))
        .with_hint("rename it or leave it out");
  if (entry.type == EntryType::hardlink && !layer_path_less(entry.link_target, entry.path))
    throw Error(ErrorCode::internal, concat("the hard link ", quoted(entry.path), " comes before its target ",
                                            quoted(entry.link_target)));
  state.advance(entry.path);
  state.opaque_allowed = entry.type == EntryType::directory;
  entry.mtime = state.mtime;
  state.tar.begin(entry);
}

void LayerWriter::write(Bytes content) {
  state_->tar.write(content);
}

void LayerWriter::add(TarEntry entry, Bytes content) {
  begin(std::move(entry));
  write(content);
}

MutableBytes LayerWriter::buffer(std::size_t wanted) {
  return state_->tar.buffer(wanted);
}
void LayerWriter::commit_buffer(std::size_t count) {
  state_->tar.commit_buffer(count);
}

void LayerWriter::add_parents(std::string_view path) {
  const std::string last = state_->last;
  for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    const auto parent = path.substr(0, slash);
    if (parent == last || is_below(last, parent)) continue;
    add({.path = std::string(parent), .type = EntryType::directory, .mode = 0755});
  }
}

void LayerWriter::add_whiteout(std::string_view path) {
  auto& state = *state_;
  const auto start = name_start(path);
  const auto whiteout = concat(path.substr(0, start), kWhiteoutPrefix, path.substr(start));
  state.advance(whiteout);
  state.tar.add({.path = whiteout, .mode = 0, .mtime = state.mtime});
}

void LayerWriter::add_opaque_marker(std::string_view directory) {
  auto& state = *state_;
  if (!state.opaque_allowed || state.last != directory)
    throw Error(ErrorCode::internal, concat("the opaque marker of ", quoted(directory), " comes after ",
                                            quoted(state.last), ", not right after the directory"));
  state.opaque_allowed = false;
  const auto path = directory.empty() ? std::string(kOpaqueMarker) : concat(directory, '/', kOpaqueMarker);
  state.tar.add({.path = path, .mode = 0, .mtime = state.mtime});
}

std::uint64_t LayerWriter::tar_bytes() const {
  return state_->tar_size.count();
}

Layer LayerWriter::finish() {
  auto& state = *state_;
  if (std::exchange(state.finished, true)) throw Error(ErrorCode::internal, "the layer is finished already");
  state.tar.finish();
  state.compressor->finish();
  state.output.finish();
  state.tar_hash_thread.finish();
  const Digest digest(state.blob_hash.value());
  state.blob->commit(digest);
  return {{state.media_type, digest, state.blob_hash.count(), {}, std::nullopt},
          DiffId(state.tar_hash.value())};
}

}  // namespace dash::oci
