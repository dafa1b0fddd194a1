#include "cli/inputs.hpp"

#include <ostream>

namespace dash::cli {

void print_inputs(std::ostream& out, const std::vector<StepInput>& inputs) {
  for (const auto& input : inputs) {
    out << "    " << input.name << ": " << input.value;
    if (input.before) out << " (was " << *input.before << ')';
    out << '\n';
  }
}

}  // namespace dash::cli
