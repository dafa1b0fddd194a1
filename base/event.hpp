// What a build tells while it runs. Libraries never print: they emit events; a renderer in cli/ shows them.
#pragma once

#include "base/step_input.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace dash {

enum class Decision { reuse, fetch, build, skip };
std::string_view to_string(Decision decision);

// A step was decided on: what will happen with it and why.
struct StepPlanned {
  std::string step;
  Decision decision = Decision::build;
  std::string reason;
  std::vector<StepInput> inputs = {};
};
struct StepStarted {
  std::string step;
};
// One line of output of a command, or one line about progress of the step itself.
struct StepLog {
  std::string step;
  std::string line;
};
struct StepFinished {
  std::string step;
  Decision decision = Decision::build;
  std::chrono::duration<double> elapsed{};
};
// Progress of a transfer or a layer: `done` of `total` bytes (0: unknown) for `what`.
struct BytesMoved {
  std::string step;
  std::string what;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};
struct LayerReady {
  std::string step;
  std::string digest;
  std::string diff_id;
  std::uint64_t size = 0;
};
struct Note {
  std::string step;  // empty: about the whole build
  std::string text;
};
struct Warning {
  std::string step;  // empty: about the whole build
  std::string text;
};

using Event =
    std::variant<StepPlanned, StepStarted, StepLog, StepFinished, BytesMoved, LayerReady, Note, Warning>;

// Receives events. Implementations must accept calls from several threads and never throw.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void emit(const Event& event) noexcept = 0;
};

class NullEvents : public EventSink {
 public:
  void emit(const Event&) noexcept override {}
};

}  // namespace dash
