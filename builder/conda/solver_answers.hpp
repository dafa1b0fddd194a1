// What conda answered before: a build that is repeated, or was interrupted, does not ask again.
#pragma once

#include "builder/conda/solve.hpp"
#include "builder/step_inputs.hpp"
#include "builder/store.hpp"

#include <optional>

namespace dash::builder {

// The answer to one question, which the key of conda-packages stands for. It is a cache of the store's.
class SolverAnswers {
 public:
  SolverAnswers(const Store& store, const StepKey& question);

  // Nothing when there is none that can be read.
  std::optional<CondaChange> find() const;
  void keep(const CondaChange& answer) const;

 private:
  const Store& store_;
  fs::path file_;
};

}  // namespace dash::builder
