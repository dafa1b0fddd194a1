// A package index in memory, and a resolver for it that keeps to what "uv pip compile" promises: versions of
// an earlier lock stay where they fit, everything else is the newest that fits.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/ports.hpp"
#include "tests/support/zip_fixture.hpp"

#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dash::testing {

// Versions are "1.N"; here they are N.
inline std::string version_text(int version) {
  return concat("1.", version);
}
inline int version_number(std::string_view text) {
  return static_cast<int>(parse_uint(text.substr(text.find('.') + 1)).value_or(0));
}

// Bytes that no compressor makes smaller, the same on every machine.
inline std::string random_text(std::string_view seed, std::size_t size) {
  std::uint32_t start = 17;
  for (const char c : seed) start = start * 31 + static_cast<unsigned char>(c);
  std::mt19937 random(start);
  std::string out(size, ' ');
  for (char& c : out) c = static_cast<char>('!' + random() % 90);
  return out;
}

inline std::string wheel_bytes(const std::string& name, const std::string& version,
                               const std::string& content,
                               const std::vector<std::string>& dependencies = {}) {
  const std::string info = concat(name, '-', version, ".dist-info");
  std::string metadata = concat("Metadata-Version: 2.1\nName: ", name, "\nVersion: ", version, '\n');
  for (const auto& dependency : dependencies) metadata += concat("Requires-Dist: ", dependency, '\n');
  return zip_bytes({{.path = name + "/__init__.py", .content = content},
                    {.path = info + "/METADATA", .content = metadata},
                    {.path = info + "/WHEEL", .content = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"},
                    {.path = info + "/RECORD", .content = ""}});
}

class ModelIndex : public builder::PackageFetcher {
 public:
  using Versions = std::map<std::string, int>;
  struct Package {
    std::size_t size = 1500;  // of its module
    std::vector<std::string> dependencies = {};
    enum class Kind { wheel, source } kind = Kind::wheel;
  };

  // The package's first release, or its next one.
  void publish(const std::string& name) {
    const int version = ++newest_[name];
    const auto& package = packages_[name];
    const auto text = version_text(version);
    if (package.kind == Package::Kind::source)
      add(name, version, concat(name, '-', text, ".zip"),
          zip_bytes({{.path = concat(name, '-', text, "/pyproject.toml"), .content = concat("# ", text)}}));
    else
      add(name, version, concat(name, '-', text, "-py3-none-any.whl"),
          wheel_bytes(name, text, random_text(name + text, package.size), package.dependencies));
  }
  void publish(const std::string& name, Package package) {
    packages_[name] = std::move(package);
    publish(name);
  }
  int newest(const std::string& name) const { return newest_.at(name); }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, package] : packages_) out.push_back(name);
    return out;
  }

  // What lines like "a", "a==1.2", "a>=1.2" and "a<1.2" come to; nothing when they can't be met. `only`
  // limits what there is.
  std::optional<Versions> resolve(const std::vector<std::string>& lines, const Versions& kept,
                                  const std::optional<Versions>& only = std::nullopt) const {
    std::map<std::string, std::vector<std::string>> limits;  // by name; what follows it in the lines
    for (const auto& line : lines) {
      const auto end = std::min(line.find_first_of("=<>"), line.size());
      limits[line.substr(0, end)].push_back(line.substr(end));
    }
    Versions out;
    std::vector<std::string> wanted;
    for (const auto& [name, list] : limits) wanted.push_back(name);
    while (!wanted.empty()) {
      const auto name = wanted.back();
      wanted.pop_back();
      if (out.contains(name)) continue;
      const auto version = choose(name, limits[name], kept, only);
      if (!version) return std::nullopt;
      out[name] = *version;
      if (const auto known = packages_.find(name); known != packages_.end() && !only)
        wanted.insert(wanted.end(), known->second.dependencies.begin(), known->second.dependencies.end());
    }
    return out;
  }

  std::string lock(const Versions& versions) const {
    std::string out = "lock-version = \"1.0\"\ncreated-by = \"uv\"\n";
    for (const auto& [name, version] : versions) {
      const auto& file = releases_.at({name, version});
      const auto entry = concat("{ url = \"", url(file.name), "\", size = ", file.bytes.size(),
                                ", hashes = { sha256 = \"", to_hex(sha256(file.bytes)), "\" } }");
      out += concat("\n[[packages]]\nname = \"", name, "\"\nversion = \"", version_text(version), "\"\n",
                    packages_.at(name).kind == Package::Kind::wheel ? concat("wheels = [", entry, "]\n")
                                                                    : concat("sdist = ", entry, '\n'));
    }
    return out;
  }

  // "Downloads".
  void fetch(const std::vector<builder::FetchRequest>& requests, const Progress&, std::stop_token) override {
    for (const auto& request : requests) {
      write_file(request.destination, files_.at(request.url));
      if (request.completed) request.completed();
    }
  }

 private:
  struct File {
    std::string name;
    std::string bytes;
  };

  static std::string url(const std::string& file) { return "https://index.example/" + file; }

  void add(const std::string& name, int version, std::string file, std::string bytes) {
    files_[url(file)] = bytes;
    releases_[{name, version}] = {std::move(file), std::move(bytes)};
  }

  static bool fits(int version, const std::vector<std::string>& limits) {
    for (const auto& limit : limits) {
      if (limit.starts_with("==") && version != version_number(limit)) return false;
      if (limit.starts_with(">=") && version < version_number(limit)) return false;
      if (limit.starts_with("<") && version >= version_number(limit)) return false;
    }
    return true;
  }

  std::optional<int> choose(const std::string& name, const std::vector<std::string>& limits,
                            const Versions& kept, const std::optional<Versions>& only) const {
    if (only) {
      const auto found = only->find(name);
      return found != only->end() && fits(found->second, limits) ? std::optional(found->second)
                                                                 : std::nullopt;
    }
    if (const auto found = kept.find(name); found != kept.end() && fits(found->second, limits))
      return found->second;
    const auto newest = newest_.find(name);
    for (int version = newest == newest_.end() ? 0 : newest->second; version > 0; --version)
      if (fits(version, limits)) return version;
    return std::nullopt;
  }

  std::map<std::string, Package> packages_;
  std::map<std::string, int> newest_;
  std::map<std::pair<std::string, int>, File> releases_;
  std::map<std::string, std::string> files_;  // by URL
};

}  // namespace dash::testing
