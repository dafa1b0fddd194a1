// Any bytes as the start of a conda installer: its header either is none, is refused, or points into the
// file.
#include "base/error.hpp"
#include "builder/conda/installer_header.hpp"
#include "builder/conda/solver_answer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const auto header = dash::builder::read_installer_header(text, size, "x.sh");
    if (header && (header->payload > header->tar || header->tar >= header->tar_end || header->tar_end > size))
      std::abort();
  } catch (const dash::Error&) {
  }
  try {
    dash::builder::parse_solver_answer(text);
  } catch (const dash::Error&) {
  }
  dash::builder::find_in_repodata(text, {"a"});
  return 0;
}
