// What installing a wheel comes to: the files, where they go, and the rewritten RECORD, exactly as pip does
// it.
#pragma once

#include "builder/image_config.hpp"
#include "builder/interpreter.hpp"
#include "builder/python/wheel.hpp"

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace dash::builder {

// Content of the INSTALLER file of every distribution that this program installs.
inline constexpr std::string_view kInstaller = "dash-build\n";

// Where an environment's files go; all absolute.
struct InstallScheme {
  std::string prefix = kPythonPrefix;
  Interpreter interpreter;

  std::string python() const { return prefix + "/bin/python"; }  // what scripts start with
  std::string scripts() const { return prefix + "/bin"; }
  std::string site_packages() const;                         // purelib and platlib are one directory
  std::string headers(std::string_view distribution) const;  // by its normalised name
  std::string data() const { return prefix; }
};

// A file of an installed distribution.
struct InstalledFile {
  std::string path;  // relative to the root: "app/.heroku/python/bin/flask"
  unsigned mode = 0644;
  // Where the content is: an entry of the wheel as it is, or bytes.
  std::variant<const ZipEntry*, std::string> content;
};

// A Python source of a distribution that gets a .pyc.
struct CompileJob {
  const ZipEntry* source = nullptr;
  std::string source_path;  // absolute, as the code object will show it
  std::string pyc_path;     // relative to the root: "app/…/__pycache__/x.cpython-311.pyc"
  std::string first_line;   // what replaces the source's first line, with its end; or empty
};

struct InstalledDistribution {
  std::string name;
  std::string version;
  std::shared_ptr<const Wheel> wheel;
  Sha256 wheel_sha256{};
  std::vector<InstalledFile> files;  // sorted with oci::layer_path_less; without RECORD and .pyc
  std::vector<CompileJob> sources;   // sorted by source_path
  std::vector<RecordRow> record;     // rows but those of .pyc files
  std::string record_path;           // relative to the root
};

struct InstallOptions {
  InstallScheme scheme;
  enum class Requested { no, yes } requested = Requested::no;
  std::string direct_url;  // content of direct_url.json (PEP 610), or empty
};

// Plans one wheel. Paths that leave their scheme, unknown schemes in the .data directory and unusable entry
// points are Error(invalid_input) naming wheel and path.
InstalledDistribution plan_installation(std::shared_ptr<const Wheel> wheel, const Sha256& wheel_sha256,
                                        const InstallOptions& options);

// Text of a console or GUI script, as pip writes it.
std::string entry_point_script(const EntryPoint& entry, const InstallScheme& scheme);
// First line(s) of a script that starts `python`: a plain one where the kernel takes it, else the /bin/sh
// form.
std::string script_shebang(std::string_view python);

}  // namespace dash::builder
