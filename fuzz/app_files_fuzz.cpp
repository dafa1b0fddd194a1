// Any bytes as each of the app's other text files; the first byte chooses which.
#include "base/error.hpp"
#include "builder/app/app_json.hpp"
#include "builder/app/apt_files.hpp"
#include "builder/app/conda_runtime.hpp"
#include "builder/app/ignore_rules.hpp"
#include "builder/app/runtime_txt.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 9) {
      case 0:
        dash::builder::parse_apt_packages(text);
        break;
      case 1:
        dash::builder::parse_apt_keys(text);
        break;
      case 2:
        dash::builder::parse_apt_repositories(text);
        break;
      case 3:
        dash::builder::parse_apt_debconf(text);
        break;
      case 4:
        dash::builder::parse_app_json(text);
        break;
      case 5:
        dash::builder::parse_runtime_txt(text);
        break;
      case 6:
        dash::builder::parse_conda_runtime(text);
        break;
      default: {
        const auto rules = data[0] % 9 == 7 ? dash::builder::IgnoreRules::parse(text, "")
                                            : dash::builder::IgnoreRules::parse("", text);
        const auto directory = rules.judge(rules.root(), "src", dash::EntryType::directory);
        rules.judge(directory, "src/a-b.txt", dash::EntryType::file);
      }
    }
  } catch (const dash::Error&) {
  }
  return 0;
}
