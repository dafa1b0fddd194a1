// The inputs of steps, for programs and for people.
#pragma once

#include "base/step_input.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace dash::cli {

// [{"name", "value", "before" where it was another}], in a type of the JSON library.
template <class Json>
Json inputs_json(const std::vector<StepInput>& inputs) {
  auto out = Json::array();
  for (const auto& input : inputs) {
    out.push_back({{"name", input.name}, {"value", input.value}});
    if (input.before) out.back()["before"] = *input.before;
  }
  return out;
}

// A line each, below the step's line: "    interpreter: 3.11.4 (was 3.11.2)".
void print_inputs(std::ostream& out, const std::vector<StepInput>& inputs);

}  // namespace dash::cli
