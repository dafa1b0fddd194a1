// What all text files of the lifecycle have in common: encodings, lines, and how errors point at a line.
#pragma once

#include "base/error.hpp"
#include "builder/app/app_directory.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// One line that counts, with its place in the file (from 1).
struct TextLine {
  std::size_t number = 0;
  std::string text;
  bool operator==(const TextLine&) const = default;
};

// UTF-16 files come from PowerShell redirections. What only this program reads can be decoded; what also runs
// in the image as it is (Procfile) must be refused.
enum class Utf16 { refuse, decode };

// The bytes of a text file as UTF-8 without a byte order mark. Line ends stay as they are; bytes that are not
// UTF-8 stay too. UTF-16 (by its mark) is decoded or refused; NUL bytes are refused. `name` is for messages.
std::string decode_text(std::string bytes, std::string_view name, Utf16 utf16);

// The decoded file; nothing when it does not exist.
std::optional<std::string> read_text(const AppDirectory& app, const std::string& name, Utf16 utf16);

// Every line ends with one "\n", the last one too; CR LF is gone.
std::string normal_lines(std::string_view text);

// The one value that a file like runtime.txt holds: blank lines and lines that start with "#" do not count.
// No value and more than one are an Error that names the file and shows `example`.
TextLine single_value(std::string_view text, std::string_view file, std::string_view example);

// Error(invalid_input) "FILE:LINE: WHAT".
Error line_error(std::string_view file, std::size_t line, std::string_view what);

// A line in quotes for messages: shortened, control characters made visible, passwords in URLs left out.
std::string shown_line(std::string_view line);

// Lines as they may be kept and printed: without passwords and queries of URLs, and without --hash options,
// which nobody could read.
std::vector<std::string> shown_lines(const std::vector<std::string>& lines);

// "<<<<<<<", "=======" and the like, which git leaves in a file with a merge conflict.
bool is_conflict_marker(std::string_view line);

}  // namespace dash::builder
