#include "cli/screen.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace dash::cli {

namespace {

// One character of UTF-8: its value and how many bytes it has; bytes that start none are U+FFFD, one each.
std::pair<char32_t, std::size_t> decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (length == 0 || first >= 0xF5 || text.size() < length) return {0xFFFD, 1};
  char32_t value = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return {0xFFFD, 1};
    value = value << 6U | (byte(i) & 0x3FU);
  }
  return {value, length};
}

std::size_t width_of(char32_t c) {
  struct Range {
    char32_t first;
    char32_t last;
  };
  // Unicode's East Asian Width W and F, and emoji, by block.
  constexpr std::array kWide = {Range{0x1100, 0x115F},   Range{0x2E80, 0x303E},  Range{0x3041, 0xA4CF},
                                Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},  Range{0xFE30, 0xFE6F},
                                Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},  Range{0x1F300, 0x1F64F},
                                Range{0x1F680, 0x1FAFF}, Range{0x20000, 0x3FFFD}};
  constexpr std::array kNone = {Range{0x300, 0x36F}, Range{0x200B, 0x200F}, Range{0xFE00, 0xFE0F}};
  const auto is_in = [c](const Range& range) { return c >= range.first && c <= range.last; };
  if (std::any_of(kNone.begin(), kNone.end(), is_in)) return 0;
  return std::any_of(kWide.begin(), kWide.end(), is_in) ? 2 : 1;
}

// Bytes of the escape sequence at the front of `text` (ECMA-48: CSI and OSC; else two bytes).
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2) return text.size();
  std::size_t end = 2;
  if (text[1] == '[') {
    while (end < text.size() && (text[end] < 0x40 || text[end] > 0x7E)) ++end;
    return std::min(end + 1, text.size());
  }
  if (text[1] == ']') {
    while (end < text.size() && text[end] != '\a' && text[end] != '\x1b') ++end;
    return std::min(end + (end < text.size() && text[end] == '\x1b' ? 2 : 1), text.size());
  }
  return end;
}

}  // namespace

std::string clean_line(std::string_view text) {
  while (text.ends_with('\r')) text.remove_suffix(1);
  if (const auto start = text.rfind('\r'); start != std::string_view::npos) text.remove_prefix(start + 1);
  std::string out;
  while (!text.empty()) {
    if (text[0] == '\x1b') {
      text.remove_prefix(escape_length(text));
      continue;
    }
    const auto [value, length] = decode(text);
    if (value == '\t')
      out += ' ';
    else if (value == 0xFFFD)
      out += '?';
    else if (value >= 0x20 && value != 0x7F && (value < 0x80 || value > 0x9F))
      out += text.substr(0, length);
    text.remove_prefix(length);
  }
  return out;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const auto [value, length] = decode(text);
    width += width_of(value);
    text.remove_prefix(length);
  }
  return width;
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
  std::size_t width = 0;
  std::size_t end = 0;
  while (end < text.size()) {
    const auto [value, length] = decode(text.substr(end));
    if (width + width_of(value) > columns) break;
    width += width_of(value);
    end += length;
  }
  return std::string(text.substr(0, end));
}

Screen::Size Screen::size() const {
  winsize now{};
  if (::ioctl(fd_, TIOCGWINSZ, &now) != 0 || now.ws_col == 0 || now.ws_row == 0) return {80, 24};
  return {now.ws_col, now.ws_row};
}

// Back to the block's first line. A terminal that became narrower has wrapped the lines that were drawn.
std::string Screen::erase(std::size_t columns) const {
  if (drawn_.empty()) return "";
  std::size_t rows = 0;
  for (const auto width : drawn_) rows += std::max<std::size_t>(1, (width + columns - 1) / columns);
  std::string out = "\r";
  for (std::size_t i = 1; i < rows; ++i) out += "\x1b[A";
  return out + "\x1b[J";
}

void Screen::draw(const std::vector<ScreenLine>& above, const std::vector<ScreenLine>& block) {
  const auto [columns, rows] = size();
  std::string out = erase(columns);
  const auto add = [&out](const std::string& text, std::string_view style) {
    out += style;
    out += text;
    if (!style.empty()) out += "\x1b[0m";
  };
  for (const auto& line : above) {
    add(line.text, line.style);
    out += "\n";
  }
  drawn_.clear();
  for (const auto& line : block) {
    if (drawn_.size() + 1 >= rows) break;
    if (!drawn_.empty()) out += "\n";
    const auto text = cut_to_width(line.text, columns - 1);
    add(text, line.style);
    drawn_.push_back(display_width(text));
  }
  for (std::string_view rest = out; !rest.empty();) {
    const auto count = ::write(fd_, rest.data(), rest.size());
    if (count <= 0) return;  // the terminal is gone: there is nobody to tell
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
}

}  // namespace dash::cli
