#include "builder/python/stand_in_wheel.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <cstdint>

#include <libdeflate.h>

namespace dash::builder {
namespace {

// The parts of a zip archive that stored files take (PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12, 4.3.16).
class StoredZip {
 public:
  void add(const std::string& path, const std::string& content) {
    const auto offset = out_.size();
    // Version needed, flags, method, time, date (1980-01-01), CRC-32, both sizes, length of the name, extra
    // field.
    const auto common = number(10, 2) + number(0, 2) + number(0, 2) + number(0, 2) + number(0x21, 2) +
                        number(libdeflate_crc32(0, content.data(), content.size()), 4) +
                        number(content.size(), 4) + number(content.size(), 4) + number(path.size(), 2) +
                        number(0, 2);
    out_ += number(0x04034b50, 4) + common + path + content;
    // Made by, the same, length of the comment, disk, internal and external attributes, offset.
    directory_ += number(0x02014b50, 4) + number(10, 2) + common + number(0, 2) + number(0, 2) +
                  number(0, 2) + number(0, 4) + number(offset, 4) + path;
    ++count_;
  }

  std::string bytes() const {
    return out_ + directory_ + number(0x06054b50, 4) + number(0, 2) + number(0, 2) + number(count_, 2) +
           number(count_, 2) + number(directory_.size(), 4) + number(out_.size(), 4) + number(0, 2);
  }

 private:
  static std::string number(std::uint64_t value, unsigned bytes) {
    std::string out;
    for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
    return out;
  }

  std::string out_;
  std::string directory_;
  std::uint64_t count_ = 0;
};

}  // namespace

StandInWheel stand_in_wheel(const std::string& name, const std::string& version,
                            const std::vector<std::string>& fields) {
  const auto part = [](std::string text) {
    std::ranges::replace(text, '-', '_');
    return text;
  };
  const auto title = concat(part(name), '-', part(version));
  const auto info = concat(title, ".dist-info/");
  StoredZip zip;
  zip.add(info + "METADATA", concat("Metadata-Version: 2.1\nName: ", name, "\nVersion: ", version, '\n',
                                    join(fields, "\n"), '\n'));
  zip.add(info + "WHEEL",
          "Wheel-Version: 1.0\nGenerator: dash-build\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
  zip.add(info + "RECORD", "");
  return {title + "-py3-none-any.whl", zip.bytes()};
}

}  // namespace dash::builder
