#include "builder/app/conda_runtime.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"

#include <algorithm>
#include <array>

namespace dash::builder {

namespace {

constexpr const char* kFile = "conda-runtime.txt";
constexpr std::array<std::string_view, 3> kDistributions = {"Miniconda2-", "Miniconda3-", "Miniforge3-"};

constexpr const char* kHint =
    "write the installer's name without system and suffix, for example \"Miniconda3-4.5.12\" or "
    "\"Miniconda3-latest\"";

// What is wrong with the word; empty when it is an installer's name.
std::string_view objection(std::string_view word) {
  const auto lower = to_lower(word);
  if (contains(lower, "windows") || lower.ends_with(".exe")) return "is an installer for Windows";
  if (contains(lower, "macosx") || lower.ends_with(".pkg")) return "is an installer for macOS";
  if (word.find_first_of("/\\") != std::string_view::npos) return "is a path, not an installer's name";
  if (lower.ends_with(".sh") || contains(lower, "-linux"))
    return "is a file name, not just the installer's name";
  const auto known = std::find_if(kDistributions.begin(), kDistributions.end(),
                                  [&](std::string_view prefix) { return word.starts_with(prefix); });
  if (known == kDistributions.end()) return "is not the name of a conda installer";
  const auto version = word.substr(known->size());
  const auto is_version_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (version.empty() || !std::all_of(version.begin(), version.end(), is_version_char))
    return "does not end with a version";
  return {};
}

}  // namespace

CondaRuntime parse_conda_runtime(std::string_view text) {
  const auto value = single_value(text, kFile, kDefaultCondaInstaller);
  if (const auto why = objection(value.text); !why.empty())
    throw line_error(kFile, value.number, concat(shown_line(value.text), ' ', why)).with_hint(kHint);
  CondaRuntime out{value.text, std::nullopt, CondaRuntime::Origin::file};
  const auto version = std::string_view(value.text).substr(value.text.find('-') + 1);
  const auto parts = split(version, '.');
  if (std::all_of(parts.begin(), parts.end(),
                  [](std::string_view part) { return parse_uint(part).has_value(); }))
    out.version = std::string(version);
  return out;
}

CondaRuntime read_conda_runtime(const AppDirectory& app) {
  if (const auto text = read_text(app, kFile, Utf16::decode)) return parse_conda_runtime(*text);
  auto out = parse_conda_runtime(kDefaultCondaInstaller);
  out.origin = CondaRuntime::Origin::standard;
  return out;
}

}  // namespace dash::builder
