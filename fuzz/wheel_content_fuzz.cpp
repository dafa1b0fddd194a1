// Any bytes as what a wheel says about itself: METADATA, WHEEL, RECORD, entry points, then paths and
// contents, divided by the record separator (0x1e), in a sound archive.
#include "fuzz/wheel_check.hpp"
#include "tests/support/zip_fixture.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parts = dash::split(text, '\x1e');
  const std::string info = "demo-1.0.dist-info/";
  std::vector<dash::testing::ZipFixtureEntry> entries;
  constexpr const char* kNames[] = {"METADATA", "WHEEL", "RECORD", "entry_points.txt"};
  for (std::size_t i = 0; i < parts.size() && i < std::size(kNames); ++i)
    entries.push_back({.path = info + kNames[i], .content = std::string(parts[i])});
  for (std::size_t i = std::size(kNames); i + 1 < parts.size(); i += 2)
    entries.push_back({.path = std::string(parts[i]), .content = std::string(parts[i + 1])});
  dash::fuzz::check_wheel(dash::testing::zip_bytes(entries));

  // Rows come back from their own file, where line ends do not need quotes.
  try {
    auto rows = dash::builder::parse_record(text, "fuzz");
    const std::string record = dash::builder::format_record(rows);
    if (dash::builder::format_record(dash::builder::parse_record(record, "again")) != record) std::abort();
  } catch (const dash::Error&) {
  }
  return 0;
}
