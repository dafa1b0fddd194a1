#include "base/stream.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <unistd.h>

namespace dash {

void FdSink::write(Bytes bytes) {
  while (!bytes.empty()) {
    const auto count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(concat("cannot write ", name_), errno);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

std::size_t FdSource::read(MutableBytes buffer) {
  for (;;) {
    const auto count = ::read(fd_, buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw system_error(concat("cannot read ", name_), errno);
  }
}

std::size_t MemorySource::read(MutableBytes buffer) {
  const auto count = std::min(buffer.size(), rest_.size());
  std::copy_n(rest_.begin(), count, buffer.begin());
  rest_ = rest_.subspan(count);
  return count;
}

std::size_t LimitedSource::read(MutableBytes buffer) {
  const auto count = source_.read(buffer);
  if (count > left_)
    throw Error(ErrorCode::corrupt, concat(name_, " is larger than the limit of ", human_size(limit_)));
  left_ -= count;
  return count;
}

std::uint64_t copy(Source& source, Sink& sink) {
  std::vector<std::byte> buffer(kStreamBlock);
  std::uint64_t total = 0;
  while (const auto count = source.read(buffer)) {
    sink.write(Bytes(buffer).first(count));
    total += count;
  }
  return total;
}

std::string read_all(Source& source, std::uint64_t limit, std::string_view name) {
  LimitedSource limited(source, limit, std::string(name));
  StringSink sink;
  copy(limited, sink);
  return sink.take();
}

}  // namespace dash
