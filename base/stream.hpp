// Byte streams: sinks are written to, sources are read from, adapters connect them.
//
// None of these types is thread-safe; a stream belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dash {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// How much adapters move at once. Large enough that per-call costs vanish, small enough to stay in L2.
inline constexpr std::size_t kStreamBlock = std::size_t{256} * 1024;

// Takes all the bytes given or throws.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(Bytes bytes) = 0;
};

// A sink whose output is only complete after `finish`. Destroying it unfinished abandons the output.
class FinishSink : public Sink {
 public:
  virtual void finish() = 0;
};

// Gives bytes until its end.
class Source {
 public:
  virtual ~Source() = default;
  // Fills the front of `buffer`; returns how many bytes, and 0 only at the end (or for an empty buffer).
  virtual std::size_t read(MutableBytes buffer) = 0;
  // Passes over up to `count` bytes where that is cheaper than reading them; returns how many, never more
  // than there are. 0 says nothing about the end: read on.
  virtual std::uint64_t skip([[maybe_unused]] std::uint64_t count) { return 0; }
};

// A source that can start again from its first byte, needed wherever a transfer may be retried.
class RestartableSource : public Source {
 public:
  virtual void restart() = 0;
};

class NullSink : public Sink {
 public:
  void write(Bytes) override {}
};

class StringSink : public Sink {
 public:
  void write(Bytes bytes) override { text_.append(as_text(bytes)); }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// Counts what passes on to `next`.
class CountingSink : public Sink {
 public:
  explicit CountingSink(Sink& next) : next_(next) {}
  void write(Bytes bytes) override {
    next_.write(bytes);
    count_ += bytes.size();
  }
  std::uint64_t count() const { return count_; }

 private:
  Sink& next_;
  std::uint64_t count_ = 0;
};

// Writes everything to both.
class TeeSink : public Sink {
 public:
  TeeSink(Sink& first, Sink& second) : first_(first), second_(second) {}
  void write(Bytes bytes) override {
    first_.write(bytes);
    second_.write(bytes);
  }

 private:
  Sink& first_;
  Sink& second_;
};

// Writes to an open file descriptor that someone else owns; `name` is for messages.
class FdSink : public Sink {
 public:
  FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  void write(Bytes bytes) override;

 private:
  int fd_;
  std::string name_;
};

// Reads an open file descriptor that someone else owns; `name` is for messages.
class FdSource : public Source {
 public:
  FdSource(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  std::size_t read(MutableBytes buffer) override;

 private:
  int fd_;
  std::string name_;
};

// Bytes in memory; the memory must outlive the source.
class MemorySource : public RestartableSource {
 public:
  explicit MemorySource(Bytes bytes) : all_(bytes), rest_(bytes) {}
  explicit MemorySource(std::string_view text) : MemorySource(as_bytes(text)) {}
  std::size_t read(MutableBytes buffer) override;
  void restart() override { rest_ = all_; }

 private:
  Bytes all_;
  Bytes rest_;
};

// Throws Error(corrupt) as soon as more than `limit` bytes come out of `source`; for foreign input.
class LimitedSource : public Source {
 public:
  LimitedSource(Source& source, std::uint64_t limit, std::string name)
      : source_(source), left_(limit), limit_(limit), name_(std::move(name)) {}
  std::size_t read(MutableBytes buffer) override;

 private:
  Source& source_;
  std::uint64_t left_;
  std::uint64_t limit_;
  std::string name_;
};

// Moves everything; returns how many bytes.
std::uint64_t copy(Source& source, Sink& sink);

// Reads everything, at most `limit` bytes (more throws Error(corrupt) that names `name`).
std::string read_all(Source& source, std::uint64_t limit, std::string_view name);

}  // namespace dash
