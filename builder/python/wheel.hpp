// A wheel file: its archive, metadata and RECORD (PyPA "Binary distribution format", "Recording installed
// projects", "Entry points specification").
#pragma once

#include "builder/packages/zip.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

struct RecordRow {
  std::string path;
  std::string hash;  // "sha256=<base64url>", or empty
  std::string size;  // decimal digits, or empty
  auto operator<=>(const RecordRow&) const = default;
};

// Rows of a RECORD file (CSV, RFC 4180 quoting), read as pip does: line ends within quotes go, and quotes
// that are left open end with the file. Error(corrupt) for a row without a path.
std::vector<RecordRow> parse_record(std::string_view text, std::string_view name);
// The file for rows sorted as pip does: CRLF line ends, fields quoted where needed.
std::string format_record(std::vector<RecordRow> rows);

struct EntryPoint {
  std::string name;
  std::string module;
  std::string function;  // "cli.main"; empty when the value has no ":"
};

// A section of entry_points.txt, in the file's order; a name given twice has its last value, as configparser
// has it. Values that are no object reference are Error(invalid_input).
std::vector<EntryPoint> parse_entry_points(std::string_view text, std::string_view section,
                                           std::string_view name);

// Opens and checks a wheel: one *.dist-info directory that fits the file name, Wheel-Version 1.x, METADATA
// and RECORD. Files that RECORD does not name, or names without a hash, are accepted, as pip does: the hash
// of the wheel itself vouches for them. Problems are Error(corrupt) naming the wheel; a newer Wheel-Version
// major is Error(unsupported). Thread-safe after construction.
class Wheel {
 public:
  // Path of a file whose name is a wheel's.
  explicit Wheel(const fs::path& path);

  const ZipReader& zip() const { return zip_; }
  const std::string& name() const { return name_; }            // from METADATA, as written
  const std::string& version() const { return version_; }      // from METADATA
  const std::string& dist_info() const { return dist_info_; }  // "pandas-2.2.3.dist-info"
  // Normalised names of what METADATA requires, without extras; markers are not evaluated.
  const std::vector<std::string>& dependencies() const { return dependencies_; }
  const std::vector<RecordRow>& record() const { return record_; }
  const std::vector<EntryPoint>& console_scripts() const { return console_scripts_; }
  const std::vector<EntryPoint>& gui_scripts() const { return gui_scripts_; }

  // An entry's content, checked against its CRC and the hash in its RECORD row, if there is one
  // (Error(corrupt) otherwise).
  std::string read(const ZipEntry& entry) const;

 private:
  ZipReader zip_;
  std::string name_;
  std::string version_;
  std::string dist_info_;
  std::vector<std::string> dependencies_;
  std::vector<RecordRow> record_;
  std::map<std::string, std::size_t, std::less<>> rows_;
  std::vector<EntryPoint> console_scripts_;
  std::vector<EntryPoint> gui_scripts_;
};

}  // namespace dash::builder
