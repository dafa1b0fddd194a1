#include "registry/upload.hpp"

#include "base/text.hpp"
#include "registry/registry_error.hpp"
#include "registry/upload_journal.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace dash::registry {

namespace {

constexpr std::chrono::milliseconds kQuickChunk{500};

// `size` bytes of the blob from where the source stands, as the body of one request.
class Piece : public RestartableSource {
 public:
  Piece(BlobSource& source, std::uint64_t size, const UploadOptions& options, UploadResult& result)
      : source_(source),
        start_(source.position()),
        left_(size),
        size_(size),
        options_(options),
        result_(result) {
    source_.mark();
  }
  std::size_t read(MutableBytes buffer) override {
    const auto count =
        source_.read(buffer.first(static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer.size()))));
    left_ -= count;
    result_.sent += count;
    if (options_.progress) options_.progress(source_.position());
    return count;
  }
  void restart() override {
    source_.seek(start_);
    left_ = size_;
  }

 private:
  BlobSource& source_;
  std::uint64_t start_;
  std::uint64_t left_;
  std::uint64_t size_;
  const UploadOptions& options_;
  UploadResult& result_;
};

// "0-1048575" or "bytes=0-1048575": how many bytes the registry has. Registries say "0-0" for none.
std::optional<std::uint64_t> committed(std::string_view range) {
  if (range.starts_with("bytes=")) range.remove_prefix(6);
  const auto dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto last = parse_uint(trim(range.substr(dash + 1)));
  if (!last) return std::nullopt;
  return *last == 0 ? 0 : *last + 1;
}

class Upload {
 public:
  Upload(RegistryClient& client, const oci::Descriptor& blob, BlobSource& source,
         const UploadOptions& options)
      : client_(client),
        blob_(blob),
        source_(source),
        options_(options),
        settings_(client.session().settings()),
        chunk_(std::max<std::uint64_t>(settings_.chunk_size, 1)),
        note_(settings_.state_directory.empty() ? fs::path() : settings_.state_directory / "uploads",
              concat(client.registry(), '/', client.repository()), blob.digest),
        backoff_(settings_.retry) {}

  UploadResult run() {
    location_ = options_.location;
    if (!location_ && note_.location()) continue_earlier();
    for (;;) {
      try {
        if (!location_) begin();
        if (blob_.size <= chunk_ || one_piece_) return send_whole();
        while (source_.position() < blob_.size) send_chunk();
        return finish(nullptr, 0);
      } catch (const TransferError& error) {
        if (!error.is_transient()) throw;
        if (has_arrived()) return done();
        pause_or_rethrow({});
        recover();
      } catch (const RegistryError& error) {
        if (!recoverable(error)) throw;
        if (has_arrived()) return done();
        pause_or_rethrow(retry_after_);
        recover();
      } catch (const Error& error) {
        if (error.code() != ErrorCode::corrupt || !source_.start_elsewhere()) throw;
        begin_anew();
      }
    }
  }

 private:
  Call upload_call(std::string method, Url url) const {
    Call call;
    call.method = std::move(method);
    call.url = std::move(url);
    call.scopes = client_.push_scopes();
    call.retry = Call::Retry::no;
    return call;
  }

  void begin() {
    Call call;
    call.method = "POST";
    call.path = "/blobs/uploads/";
    call.scopes = client_.push_scopes();
    auto reply = client_.origin().send(call);
    if (reply.status() != 202) client_.origin().fail(reply);
    go_on_at(reply);
    if (const auto least = parse_uint(reply.header("OCI-Chunk-Min-Length")))
      chunk_ = std::max(chunk_, *least);
    if (blob_.size > chunk_) note_.store(*location_);
  }

  void go_on_at(const Reply& reply) { location_ = reply.location(); }

  void send_chunk() {
    const auto start = source_.position();
    const auto size = std::min(std::max(piece_, chunk_), blob_.size - start);
    Piece piece(source_, size, options_, result_);
    auto call = upload_call("PATCH", *location_);
    call.wire = HttpRequest::Wire::own;
    call.headers.add("Content-Type", "application/octet-stream");
    call.headers.add("Content-Range", concat(start, '-', start + size - 1));
    call.body = &piece;
    call.body_size = size;
    const auto begun = std::chrono::steady_clock::now();
    auto reply = client_.origin().send(call);
    if (reply.status() != 202 && reply.status() != 204 && reply.status() != 201) refuse(reply);
    go_on_at(reply);
    if (std::chrono::steady_clock::now() - begun < kQuickChunk)
      piece_ = std::min({2 * std::max(piece_, chunk_), settings_.largest_chunk, source_.reach()});
    const auto there = committed(reply.header("Range")).value_or(start + size);
    if (there != start + size) {
      if (there < start || there > start + size)
        throw Error(ErrorCode::corrupt, concat(reply.shown(), ": the registry says that it has ", there,
                                               " bytes after the bytes ", start, " to ", start + size - 1));
      source_.seek(there);
      if (there == start) pause_or_rethrow({});
    } else {
      backoff_.emplace(settings_.retry);
    }
    note_.store(*location_);
  }

  UploadResult send_whole() {
    source_.seek(0);
    Piece piece(source_, blob_.size, options_, result_);
    return finish(&piece, blob_.size);
  }

  UploadResult finish(Piece* body, std::uint64_t size) {
    auto call = upload_call("PUT", location_->with_parameter("digest", blob_.digest.to_string()));
    call.body = body;
    call.body_size = size;
    call.headers.add("Content-Type", "application/octet-stream");
    if (size > kStreamBlock) call.wire = HttpRequest::Wire::own;
    completing_ = true;
    auto reply = client_.origin().send(call);
    if (reply.status() != 201 && reply.status() != 204 && reply.status() != 200) refuse(reply);
    return done();
  }

  UploadResult done() {
    note_.forget();
    return result_;
  }

  // Whether the registry completed the blob although its answer was lost, or a proxy's came in its place.
  bool has_arrived() { return std::exchange(completing_, false) && client_.has_blob(blob_); }

  // Throws the answer as an error, and keeps what the way on depends on.
  [[noreturn]] void refuse(Reply& reply) {
    retry_after_ =
        parse_retry_after(reply.header("Retry-After"), std::time(nullptr)).value_or(std::chrono::seconds(0));
    client_.origin().fail(reply);
  }

  // Whether another way is left after this answer; chooses it.
  bool recoverable(const RegistryError& error) {
    const auto status = error.status();
    if (is_retryable_status(status)) return true;
    if (error.method() == "PATCH" && (status == 405 || status == 501 || error.has_code("UNSUPPORTED"))) {
      if (one_piece_) return false;
      one_piece_ = true;
      location_.reset();
      return true;
    }
    if (status == 416) return true;
    const bool session_lost =
        (error.method() == "PATCH" || error.method() == "PUT") &&
        (status == 404 || error.has_code("BLOB_UPLOAD_INVALID") || error.has_code("BLOB_UPLOAD_UNKNOWN"));
    if (session_lost) location_.reset();
    return session_lost;
  }

  void pause_or_rethrow(std::chrono::milliseconds floor) {
    const auto wait = backoff_->next(floor);
    if (!wait) {
      if (std::current_exception()) throw;
      throw Error(ErrorCode::unavailable,
                  concat(client_.registry(), " takes no more bytes of blob ", blob_.digest.to_string()));
    }
    pause_for(*wait, client_.stop());
  }

  // Asks what the registry has, and goes on there; begins anew when it has nothing.
  void recover() {
    if (!location_ || one_piece_ || blob_.size <= chunk_) return begin_anew();
    if (const auto there = ask_committed())
      source_.seek(*there);
    else
      begin_anew();
  }

  void begin_anew() {
    location_.reset();
    note_.forget();
    source_.seek(0);
  }

  void continue_earlier() {
    location_ = note_.location();
    const auto there = ask_committed();
    if (!there || *there == 0) return begin_anew();
    source_.seek(*there);
    result_.resumed = *there;
  }

  // Bytes that the registry has of the session; nothing when the session is gone.
  std::optional<std::uint64_t> ask_committed() {
    auto call = upload_call("GET", *location_);
    call.retry = Call::Retry::yes;
    auto reply = client_.origin().send(call);
    if (reply.status() / 100 != 2) return std::nullopt;
    const auto there = committed(reply.header("Range"));
    if (!there || *there > blob_.size) return std::nullopt;
    if (!reply.header("Location").empty()) go_on_at(reply);
    return there;
  }

  RegistryClient& client_;
  const oci::Descriptor& blob_;
  BlobSource& source_;
  const UploadOptions& options_;
  const RegistrySettings& settings_;
  std::uint64_t chunk_;      // what is not larger is sent at once
  std::uint64_t piece_ = 0;  // of the next request, when that is more
  UploadNote note_;
  std::optional<Backoff> backoff_;
  std::optional<Url> location_;
  std::chrono::milliseconds retry_after_{};
  bool one_piece_ = false;
  bool completing_ = false;  // the last request was the one that gives the blob its digest
  UploadResult result_;
};

}  // namespace

UploadResult upload_blob(RegistryClient& client, const oci::Descriptor& blob, BlobSource& source,
                         const UploadOptions& options) {
  return with_context(concat("while uploading blob ", blob.digest.to_string(), " to ", client.registry(), '/',
                             client.repository()),
                      [&] { return Upload(client, blob, source, options).run(); });
}

}  // namespace dash::registry
