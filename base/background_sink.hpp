// A sink that passes its bytes on from a thread of its own, so that two stages of a pipeline run at once.
#pragma once

#include "base/stream.hpp"

#include <memory>

namespace dash {

// Copies what is written into blocks of kStreamBlock and writes them to `next` (which must outlive it) in
// order, from one background thread; a bounded number of blocks waits in between. What `next` throws is
// thrown by the following `write` or by `finish`, in the calling thread. The thread starts with the second
// block, so a short stream costs none. `finish` returns when `next` has everything. Destroying it unfinished
// drops what waits.
class BackgroundSink : public FinishSink {
 public:
  explicit BackgroundSink(Sink& next);
  ~BackgroundSink() override;
  BackgroundSink(const BackgroundSink&) = delete;
  BackgroundSink& operator=(const BackgroundSink&) = delete;

  void write(Bytes bytes) override;
  void finish() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dash
