// One step of a build: what its result depends on, and how to make it.
#pragma once

#include "base/event.hpp"
#include "builder/disk_space.hpp"
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

  // Inputs that matter to some results only. A result that depends on them says so by a fact kVariantFact
  // with this text; its record serves only builds with the same text, and is kept beside those of the others.
  virtual std::string variant(const ImageState&) const { return {}; }

  // Why a record under the step's key is not what was asked for ("--upgrade"); nothing when it is.
  virtual std::optional<std::string> unwanted(const StepRecord&) const { return std::nullopt; }

  // What `run` is called: `fetch` when the result only has to be brought here.
  virtual Decision kind() const { return Decision::build; }

  // What `run` will at least take of the store's disk, as far as that can be told before; checked before it.
  virtual DiskSpace space_needed() const { return {std::uint64_t{16} << 20, 200}; }

  // Facts for the image's record that are about what is below rather than about the result: a record that is
  // reused may have been made over another image.
  virtual std::map<std::string, std::string> facts_of(const ImageState&) const { return {}; }

  virtual StepResult run(const ImageState& below) = 0;
};

}  // namespace dash::builder
