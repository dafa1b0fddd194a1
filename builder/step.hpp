// One step of a build: what its result depends on, and how to make it.
#pragma once

#include "base/event.hpp"
#include "builder/step_inputs.hpp"
#include "builder/step_record.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// The image as far as it has been decided: what the steps so far contributed, lowest first.
struct ImageState {
  struct Part {
    std::string step;
    std::vector<oci::Layer> layers;  // empty too when the step is only planned
  };
  std::vector<Part> parts;
  std::map<std::string, std::string> keys;                          // hex StepKey by step
  std::map<std::string, std::map<std::string, std::string>> facts;  // facts of the steps' records

  std::vector<oci::Layer> layers() const;
  // What a step contributed, for the keys of those above it: the diff ids of its layers, or, while it is only
  // planned, its own key; "none" when the app has no such step. A key can come to other layers when it is
  // built again (packages without a pin), so it must not stand for them.
  std::string identity_of(const std::string& step) const;
};

struct StepResult {
  std::vector<oci::Layer> layers;
  std::map<std::string, std::string> facts;
};

// Implementations are made for one build and used from one thread.
class Step {
 public:
  virtual ~Step() = default;
  virtual std::string name() const = 0;

  // Why there is nothing to do for this app on top of `below` ("no apt-packages"); nothing when the step
  // applies, or may apply as far as that is known.
  virtual std::optional<std::string> skip_reason(const ImageState&) const { return std::nullopt; }

  // Called once, before the first step of a build runs: may start on other threads what `run` will need
  // whatever the steps below come to. It must not fail; what goes wrong there is for `run` to throw.
  virtual void work_ahead() {}

  // Finds out what `inputs` needs and is not known yet. Called only when building, so it may run commands;
  // what it finds must be remembered in the store, so that the next build runs none.
  virtual void prepare(const ImageState&) {}

  // What the result depends on, as far as it is known.
  virtual StepInputs inputs(const ImageState& below) const = 0;

  // Whether a record with the right key may be used: for inputs that only matter to some results.
  virtual bool accepts(const StepRecord&, const ImageState&) const { return true; }

  // What `run` is called: `fetch` when the result only has to be brought here.
  virtual Decision kind() const { return Decision::build; }

  virtual StepResult run(const ImageState& below) = 0;
};

}  // namespace dash::builder
