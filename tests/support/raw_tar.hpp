// Tar archives as bytes, also those that no honest tool writes: nothing is checked.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

namespace dash::testing {

struct RawEntry {
  std::string name;
  char type = '0';  // '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' directory, '6' fifo
  std::string content = {};
  std::string link = {};
  unsigned mode = 0644;
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::uint64_t mtime = 1000000000;
  unsigned major = 0;
  unsigned minor = 0;
  std::map<std::string, std::string> pax = {};
};

class RawTar {
 public:
  RawTar& add(const RawEntry& entry) {
    auto pax = entry.pax;
    // Long names go to pax records; the header's field holds their end, as good as anything else.
    if (entry.name.size() > 100) pax["path"] = entry.name;
    if (entry.link.size() > 100) pax["linkpath"] = entry.link;
    if (!pax.empty()) {
      std::string records;
      for (const auto& [key, value] : pax) records += record(key, value);
      header({.name = "pax", .type = 'x'}, records.size());
      data(records);
    }
    header(entry, entry.content.size());
    data(entry.content);
    return *this;
  }
  RawTar& file(std::string name, std::string content) {
    return add({.name = std::move(name), .content = std::move(content)});
  }
  RawTar& directory(std::string name, unsigned mode = 0755) {
    return add({.name = std::move(name), .type = '5', .mode = mode});
  }
  RawTar& symlink(std::string name, std::string target) {
    return add({.name = std::move(name), .type = '2', .link = std::move(target), .mode = 0777});
  }
  RawTar& hardlink(std::string name, std::string target) {
    return add({.name = std::move(name), .type = '1', .link = std::move(target)});
  }
  // Any header, and a size that need not be true.
  RawTar& header(const RawEntry& entry, std::uint64_t size) {
    std::string block(512, '\0');
    put(block, 0, tail(entry.name));
    number(block, 100, 8, entry.mode);
    number(block, 108, 8, entry.uid);
    number(block, 116, 8, entry.gid);
    number(block, 124, 12, size);
    number(block, 136, 12, entry.mtime);
    block[156] = entry.type;
    put(block, 157, tail(entry.link));
    put(block, 257, std::string_view("ustar\00000", 8));
    number(block, 329, 8, entry.major);
    number(block, 337, 8, entry.minor);
    put(block, 148, "        ");
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    number(block, 148, 7, sum);
    bytes_ += block;
    return *this;
  }
  // The whole archive, with its end.
  std::string finish() const { return bytes_ + std::string(1024, '\0'); }

 private:
  void data(const std::string& content) {
    bytes_ += content;
    bytes_.append((512 - content.size() % 512) % 512, '\0');
  }
  static std::string tail(const std::string& text) {
    return text.size() > 100 ? text.substr(text.size() - 100) : text;
  }
  static void put(std::string& block, std::size_t at, std::string_view text) {
    block.replace(at, text.size(), text);
  }
  // Octal with a NUL behind it; base-256 (GNU) when that is too small.
  static void number(std::string& block, std::size_t at, std::size_t width, std::uint64_t value) {
    std::string digits;
    for (auto rest = value; rest != 0; rest /= 8)
      digits.insert(digits.begin(), static_cast<char>('0' + rest % 8));
    if (digits.size() < width) return put(block, at, std::string(width - 1 - digits.size(), '0') + digits);
    for (std::size_t i = 0; i < width; ++i)
      block[at + width - 1 - i] = i < 8 ? static_cast<char>(value >> (8 * i)) : '\0';
    block[at] = static_cast<char>(0x80);
  }
  static std::string record(const std::string& key, const std::string& value) {
    const auto body = " " + key + "=" + value + "\n";
    auto size = body.size() + 1;
    while (std::to_string(size).size() + body.size() != size)
      size = std::to_string(size).size() + body.size();
    return std::to_string(size) + body;
  }

  std::string bytes_;
};

}  // namespace dash::testing
