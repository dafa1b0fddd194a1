#include "builder/conda/installer_header.hpp"

#include "base/text.hpp"
#include "builder/conda/platform.hpp"

#include <vector>

namespace dash::builder {
namespace {

constexpr std::string_view kEnd = "\n@@END_HEADER@@\n";
constexpr std::size_t kMd5Digits = 32;

// The value of a comment "# NAME:  value"; empty when there is none.
std::string_view comment(std::string_view header, std::string_view name) {
  for (const std::string_view line : split_lines(header)) {
    if (!line.starts_with("# ")) continue;
    const auto rest = line.substr(2);
    if (rest.starts_with(name) && rest.substr(name.size()).starts_with(':'))
      return trim(rest.substr(name.size() + 1));
  }
  return {};
}

std::uint64_t number(std::string_view text, std::string_view shown) {
  const auto out = parse_uint(text);
  if (!out)
    throw damaged_installer(shown, concat("its header has ", quoted(text), " where a number should be"));
  return *out;
}

// Sizes of what the payload is made of, as the script has them: "boundary1=$(( boundary0 + SIZE ))" since
// constructor 3.2, "head -c SIZE > "$CONDA_EXEC"" before. In the latter nothing says how long the tar is.
std::vector<std::uint64_t> part_sizes(std::string_view header, std::string_view shown) {
  std::vector<std::uint64_t> out;
  for (const std::string_view raw : split_lines(header)) {
    const auto line = trim(raw);
    const auto plus = line.rfind(" + ");
    if (line.starts_with("boundary") && contains(line, "=$((") && line.ends_with("))") &&
        plus != std::string_view::npos)
      out.push_back(number(trim(line.substr(plus + 3, line.size() - plus - 5)), shown));
    const auto head = line.find("| head -c ");
    if (head != std::string_view::npos && contains(line, "\"$CONDA_EXEC\"")) {
      const auto rest = line.substr(head + 10);
      out.push_back(number(rest.substr(0, rest.find(' ')), shown));
      out.push_back(0);
    }
  }
  return out;
}

void check_size(std::string_view header, std::uint64_t size, std::string_view shown) {
  const auto bytes = comment(header, "BYTES");
  if (!bytes.empty() && number(bytes, shown) != size)
    throw damaged_installer(shown, concat("it has ", size, " bytes, its header says ", bytes));
}

}  // namespace

Error damaged_installer(std::string_view shown, std::string_view what) {
  return Error(ErrorCode::corrupt, concat(shown, " is damaged: ", what))
      .with_hint("Get it again, in binary mode, and compare its SHA-256 with the one its publisher names.");
}

std::optional<InstallerHeader> read_installer_header(std::string_view start, std::uint64_t size,
                                                     std::string_view shown) {
  const auto end = start.find(kEnd);
  if (!start.starts_with("#!") || end == std::string_view::npos) return std::nullopt;
  const auto header = start.substr(0, end + 1);
  InstallerHeader out;
  out.name = comment(header, "NAME");
  out.version = comment(header, "VER");
  out.platform = comment(header, "PLAT");
  out.md5 = to_lower(comment(header, "MD5"));
  if (out.name.empty() || out.platform.empty() || out.md5.empty()) return std::nullopt;
  if (out.platform != kCondaPlatform)
    throw Error(ErrorCode::unsupported,
                concat(shown, " is for ", quoted(out.platform), ", not for ", kCondaPlatform))
        .with_hint("Images are built for Linux on x86_64.");
  if (out.md5.size() != kMd5Digits || out.md5.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw damaged_installer(shown, concat("its header has ", quoted(out.md5), " as an MD5"));
  check_size(header, size, shown);

  out.payload = end + kEnd.size();
  out.tar = out.payload;
  out.tar_end = size;
  const auto parts = part_sizes(header, shown);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] > size - out.tar)
      throw damaged_installer(shown, concat("it has ", size, " bytes, fewer than its header says"));
    const bool last = i + 1 == parts.size();
    if (!last)
      out.tar += parts[i];
    else if (parts[i] != 0)
      out.tar_end = out.tar + parts[i];
  }
  if (out.tar >= out.tar_end) throw damaged_installer(shown, "there is nothing behind its header");
  return out;
}

}  // namespace dash::builder
