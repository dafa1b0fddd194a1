// The lower end of a terminal: lines that stay, and below them a block of lines that is drawn again and
// again.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dash::cli {

// Foreign text made safe for one line: what follows the last carriage return, escape sequences and control
// characters gone, bytes that are not UTF-8 as '?'.
std::string clean_line(std::string_view text);

// Columns that clean text takes: two for wide East Asian characters and emoji, none for combining marks.
std::size_t display_width(std::string_view text);

// The front of clean text that fits into `columns`.
std::string cut_to_width(std::string_view text, std::size_t columns);

// A line of clean text in one style, an SGR sequence or "".
struct ScreenLine {
  std::string text;
  std::string_view style;
};

// Writes to a terminal. Not thread-safe. The size is asked for at each drawing, so a resize only garbles what
// the terminal itself wraps until then.
class Screen {
 public:
  explicit Screen(int fd) : fd_(fd) {}

  // Puts `above` in place of the block, where it stays, and draws `block` below it, in one write. Lines of
  // the block are cut to the terminal's width and the block to its height.
  void draw(const std::vector<ScreenLine>& above, const std::vector<ScreenLine>& block);

 private:
  struct Size {
    std::size_t columns;
    std::size_t rows;
  };
  Size size() const;
  std::string erase(std::size_t columns) const;

  int fd_;
  std::vector<std::size_t> drawn_;  // widths of the block's lines
};

}  // namespace dash::cli
