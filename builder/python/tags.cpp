#include "builder/python/tags.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

struct Version {
  unsigned major = 3;
  unsigned minor = 0;
};

Version version_of(const Interpreter& interpreter) {
  const std::vector<std::string_view> parts = split(interpreter.version, '.');
  Version out;
  if (!parts.empty()) out.major = static_cast<unsigned>(parse_uint(parts[0]).value_or(3));
  if (parts.size() > 1) out.minor = static_cast<unsigned>(parse_uint(parts[1]).value_or(0));
  return out;
}

// PEP 600 tags from the C library's version down to the oldest that the architecture ever had, with the older
// names (PEP 513, 571, 599) after the tag they stand for.
std::vector<std::string> platform_tags(const Interpreter& interpreter) {
  const std::string& machine = interpreter.machine;
  std::vector<std::string> out{concat("linux_", machine)};
  if (interpreter.glibc_major != 2) return out;
  const bool intel = machine == "x86_64" || machine == "i686";
  for (int minor = interpreter.glibc_minor; minor >= (intel ? 5 : 17); --minor) {
    out.push_back(concat("manylinux_2_", minor, '_', machine));
    if (minor == 17) out.push_back(concat("manylinux2014_", machine));
    if (minor == 12 && intel) out.push_back(concat("manylinux2010_", machine));
    if (minor == 5 && intel) out.push_back(concat("manylinux1_", machine));
  }
  return out;
}

// ABI flags are what follows the version in SOABI: "t" for free-threaded, "d" for debug builds.
std::string abi_flags(const Interpreter& interpreter) {
  const std::vector<std::string_view> parts = split(interpreter.soabi, '-');
  if (parts.size() < 2) return {};
  const std::size_t digits = parts[1].find_first_not_of("0123456789");
  return digits == std::string_view::npos ? std::string() : std::string(parts[1].substr(digits));
}

// py311, py3, py310 … py30
std::vector<std::string> generic_pythons(Version version) {
  std::vector<std::string> out{concat("py", version.major, version.minor), concat("py", version.major)};
  for (unsigned minor = version.minor; minor-- > 0;) out.push_back(concat("py", version.major, minor));
  return out;
}

void add_cpython_tags(const Interpreter& interpreter, const std::vector<std::string>& platforms,
                      std::vector<std::string>& out) {
  const Version version = version_of(interpreter);
  const std::string python = concat("cp", version.major, version.minor);
  const std::string flags = abi_flags(interpreter);
  const bool threaded = contains(flags, "t");
  auto add = [&](std::string_view tag, std::string_view abi) {
    for (const std::string& platform : platforms) out.push_back(concat(tag, '-', abi, '-', platform));
  };
  add(python, python + flags);
  // Debug builds since 3.8 load modules of normal builds too.
  if (contains(flags, "d") && version.minor >= 8) add(python, concat(python, threaded ? "t" : ""));
  const std::string_view stable_abi = threaded ? "abi3t" : "abi3";
  add(python, stable_abi);
  add(python, "none");
  for (unsigned minor = version.minor; minor-- > 2;) add(concat("cp", version.major, minor), stable_abi);
}

}  // namespace

std::vector<std::string> compatible_tags(const Interpreter& interpreter) {
  const std::vector<std::string> platforms = platform_tags(interpreter);
  const Version version = version_of(interpreter);
  const bool cpython = interpreter.implementation == "cpython";
  std::vector<std::string> out;
  if (cpython) add_cpython_tags(interpreter, platforms, out);
  const std::vector<std::string> pythons = generic_pythons(version);
  for (const std::string& python : pythons)
    for (const std::string& platform : platforms) out.push_back(concat(python, "-none-", platform));
  if (cpython) out.push_back(concat("cp", version.major, version.minor, "-none-any"));
  for (const std::string& python : pythons) out.push_back(concat(python, "-none-any"));
  return out;
}

std::optional<WheelName> WheelName::parse(std::string_view file_name) {
  constexpr std::string_view kSuffix = ".whl";
  if (!file_name.ends_with(kSuffix)) return std::nullopt;
  const std::vector<std::string_view> parts =
      split(file_name.substr(0, file_name.size() - kSuffix.size()), '-');
  if (parts.size() != 5 && parts.size() != 6) return std::nullopt;
  if (std::ranges::any_of(parts, [](std::string_view part) { return part.empty(); })) return std::nullopt;
  WheelName out;
  out.name = parts[0];
  out.version = parts[1];
  if (parts.size() == 6) {
    out.build = parts[2];
    if (out.build[0] < '0' || out.build[0] > '9') return std::nullopt;
  }
  auto alternatives = [](std::string_view text) {
    std::vector<std::string> list;
    for (std::string_view item : split(text, '.')) list.push_back(to_lower(item));
    return list;
  };
  out.pythons = alternatives(parts[parts.size() - 3]);
  out.abis = alternatives(parts[parts.size() - 2]);
  out.platforms = alternatives(parts[parts.size() - 1]);
  return out;
}

TagRanking::TagRanking(const Interpreter& interpreter) {
  const std::vector<std::string> tags = compatible_tags(interpreter);
  for (std::size_t i = 0; i < tags.size(); ++i) ranks_.emplace(tags[i], i);
}

std::optional<std::size_t> TagRanking::rank(const WheelName& wheel) const {
  std::optional<std::size_t> best;
  for (const std::string& python : wheel.pythons)
    for (const std::string& abi : wheel.abis)
      for (const std::string& platform : wheel.platforms) {
        const auto found = ranks_.find(concat(python, '-', abi, '-', platform));
        if (found != ranks_.end() && (!best || found->second < *best)) best = found->second;
      }
  return best;
}

bool build_tag_less(std::string_view a, std::string_view b) {
  auto parts = [](std::string_view tag) {
    const std::size_t digits = std::min(tag.find_first_not_of("0123456789"), tag.size());
    // Without its leading zeros a longer number is a larger one.
    std::string_view number = tag.substr(0, digits);
    number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
    return std::tuple(!tag.empty(), number.size(), number, tag.substr(digits));
  };
  return parts(a) < parts(b);
}

}  // namespace dash::builder
