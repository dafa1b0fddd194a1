#include "builder/app/text_file.hpp"

#include "base/text.hpp"

#include <array>

namespace dash::builder {

namespace {

void append_utf8(std::string& out, std::uint32_t point) {
  const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (point < 0x80) {
    byte(point);
  } else if (point < 0x800) {
    byte(0xC0U | (point >> 6U));
    byte(0x80U | (point & 0x3FU));
  } else if (point < 0x10000) {
    byte(0xE0U | (point >> 12U));
    byte(0x80U | ((point >> 6U) & 0x3FU));
    byte(0x80U | (point & 0x3FU));
  } else {
    byte(0xF0U | (point >> 18U));
    byte(0x80U | ((point >> 12U) & 0x3FU));
    byte(0x80U | ((point >> 6U) & 0x3FU));
    byte(0x80U | (point & 0x3FU));
  }
}

enum class ByteOrder { little, big };

// The text after the byte order mark; nothing when it is not well-formed UTF-16.
std::optional<std::string> from_utf16(std::string_view bytes, ByteOrder order) {
  if (bytes.size() % 2 != 0) return std::nullopt;
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const auto second = static_cast<unsigned char>(bytes[at + 1]);
    return static_cast<std::uint32_t>(order == ByteOrder::little ? first | second << 8U
                                                                 : first << 8U | second);
  };
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    auto point = unit(at);
    if (point >= 0xDC00 && point <= 0xDFFF) return std::nullopt;
    if (point >= 0xD800 && point <= 0xDBFF) {
      at += 2;
      if (at >= bytes.size()) return std::nullopt;
      const auto low = unit(at);
      if (low < 0xDC00 || low > 0xDFFF) return std::nullopt;
      point = 0x10000 + ((point - 0xD800) << 10U) + (low - 0xDC00);
    }
    append_utf8(out, point);
  }
  return out;
}

constexpr const char* kSaveHint = "save the file as UTF-8 text";

}  // namespace

std::string decode_text(std::string bytes, std::string_view name, Utf16 utf16) {
  const bool little = bytes.starts_with("\xFF\xFE");
  if (little || bytes.starts_with("\xFE\xFF")) {
    if (utf16 == Utf16::refuse)
      throw Error(ErrorCode::invalid_input, concat(name, " is encoded as UTF-16")).with_hint(kSaveHint);
    auto decoded = from_utf16(std::string_view(bytes).substr(2), little ? ByteOrder::little : ByteOrder::big);
    if (!decoded)
      throw Error(ErrorCode::invalid_input, concat(name, " starts like UTF-16 text, but is not well-formed"))
          .with_hint(kSaveHint);
    bytes = std::move(*decoded);
  } else if (bytes.starts_with("\xEF\xBB\xBF")) {
    bytes.erase(0, 3);
  }
  if (contains(bytes, std::string_view("\0", 1)))
    throw Error(ErrorCode::invalid_input, concat(name, " is not a text file: it holds NUL bytes"))
        .with_hint(kSaveHint);
  return bytes;
}

std::optional<std::string> read_text(const AppDirectory& app, const std::string& name, Utf16 utf16) {
  auto bytes = app.read(name);
  if (!bytes) return std::nullopt;
  return decode_text(std::move(*bytes), name, utf16);
}

std::string normal_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  for (const auto line : split_lines(text)) {
    out += line;
    out += '\n';
  }
  return out;
}

TextLine single_value(std::string_view text, std::string_view file, std::string_view example) {
  TextLine value;
  std::size_t number = 0;
  for (const auto raw : split_lines(text)) {
    ++number;
    const auto line = trim(raw);
    if (line.empty() || line.starts_with('#')) continue;
    if (value.number != 0)
      throw line_error(file, number,
                       concat("a second value ", shown_line(line), " after ", shown_line(value.text)))
          .with_hint(concat(file, " holds one line, for example \"", example, "\""));
    value = {number, std::string(line)};
  }
  if (value.number == 0)
    throw Error(ErrorCode::invalid_input, concat(file, " is empty"))
        .with_hint(concat("write one line, for example \"", example, "\", or remove the file"));
  return value;
}

Error line_error(std::string_view file, std::size_t line, std::string_view what) {
  return Error(ErrorCode::invalid_input, concat(file, ":", line, ": ", what));
}

namespace {

std::string without_passwords(std::string_view line) {
  std::string out;
  for (;;) {
    const auto scheme = line.find("://");
    if (scheme == std::string_view::npos) break;
    const auto start = scheme + 3;
    out += line.substr(0, start);
    line.remove_prefix(start);
    // A password may hold any character but "/" and blanks, also "@": the last one ends it.
    const auto authority = line.substr(0, line.find_first_of("/ \t\"'"));
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
      out += "***";
      line.remove_prefix(at);
    }
  }
  return out += line;
}

std::string without_queries(std::string_view line) {
  std::string out;
  for (auto scheme = line.find("://"); scheme != std::string_view::npos; scheme = line.find("://")) {
    const auto end = std::min(line.find_first_of(" \t\"'", scheme), line.size());
    const auto query = std::min(line.find('?', scheme), end);
    out += line.substr(0, query);
    if (query < end) out += "?***";
    line.remove_prefix(end);
  }
  return out += line;
}

}  // namespace

std::vector<std::string> shown_lines(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (const auto& line : lines) {
    auto shown = without_queries(without_passwords(line));
    for (auto at = shown.find(" --hash"); at != std::string::npos; at = shown.find(" --hash", at)) {
      const auto value = shown.find_first_not_of(" =", at + 7);
      shown.erase(at, std::min(shown.find(' ', value), shown.size()) - at);
    }
    for (auto& c : shown)
      if (static_cast<unsigned char>(c) < ' ') c = ' ';
    out.push_back(std::move(shown));
  }
  return out;
}

std::string shown_line(std::string_view line) {
  static constexpr std::size_t kMaxShown = 100;
  auto out = without_passwords(line);
  if (out.size() > kMaxShown) {
    auto end = kMaxShown;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80) --end;
    out.erase(end);
    out += "...";
  }
  return quoted(out);
}

bool is_conflict_marker(std::string_view line) {
  static constexpr std::array<std::string_view, 4> kMarkers = {"<<<<<<<", "=======", ">>>>>>>", "|||||||"};
  for (const auto marker : kMarkers)
    if (line.starts_with(marker) && (line.size() == 7 || line[7] == ' ')) return true;
  return false;
}

}  // namespace dash::builder
