// Small text functions that the standard library lacks in this compiler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash {

// Joins strings, string views, characters and integers into one string.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  [[maybe_unused]] auto add = [&out](const auto& part) {
    using Part = std::decay_t<decltype(part)>;
    if constexpr (std::is_same_v<Part, char>)
      out += part;
    else if constexpr (std::is_arithmetic_v<Part>)
      out += std::to_string(part);
    else
      out += std::string_view(part);
  };
  (add(parts), ...);
  return out;
}

// The part without leading and trailing blanks (space, tab, CR, LF, VT, FF).
std::string_view trim(std::string_view text);

// Splits at every `separator`; "a,,b" gives three parts and "" gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

// Words separated by any run of blanks.
std::vector<std::string_view> split_words(std::string_view text);

// The lines of a text file as a person sees them: a UTF-8 byte order mark is dropped, CR LF and LF both
// end a line, and the last line counts without its newline. A final newline does not make an empty line.
std::vector<std::string_view> split_lines(std::string_view text);

std::string join(const std::vector<std::string>& parts, std::string_view separator);

// ASCII only, independent of the locale.
std::string to_lower(std::string_view text);

bool contains(std::string_view text, std::string_view part);

// A decimal number that fills the whole text; nothing otherwise, also when it does not fit.
std::optional<std::uint64_t> parse_uint(std::string_view text);

// True when the bytes are well-formed UTF-8 (no overlong forms, surrogates or values above U+10FFFF).
bool is_utf8(std::string_view bytes);

// "1.2 MB", "340 kB", "12 B": decimal units, as registries and disks count.
std::string human_size(std::uint64_t bytes);

// The text in single quotes with control characters made visible, for use in messages.
std::string quoted(std::string_view text);

// The words as one line that a POSIX shell would split into the same words again.
std::string shell_join(const std::vector<std::string>& words);

// How many letters must be put in, left out, replaced or exchanged with their neighbour to make one text of
// the other; more than `limit` is answered as `limit` + 1.
std::size_t edit_distance(std::string_view one, std::string_view other, std::size_t limit);

// `url` without user name, password, query and conda's token (/t/TOKEN/), safe to print.
std::string redact_url(std::string_view url);

}  // namespace dash
