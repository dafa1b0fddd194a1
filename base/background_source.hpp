// A source that is read ahead from a thread of its own, so that two stages of a pipeline run at once.
#pragma once

#include "base/stream.hpp"

#include <memory>

namespace dash {

// Reads `next` (which must outlive it) in blocks of kStreamBlock from one background thread, a bounded number
// of blocks ahead. What `next` throws is thrown by the `read` that comes to its place, in the calling thread.
// The thread starts with the first `read`; once that has returned 0, `next` is at its end and free again.
// Destroying it earlier waits for the read that is going on.
class BackgroundSource : public Source {
 public:
  explicit BackgroundSource(Source& next);
  ~BackgroundSource() override;
  BackgroundSource(const BackgroundSource&) = delete;
  BackgroundSource& operator=(const BackgroundSource&) = delete;

  std::size_t read(MutableBytes buffer) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dash
