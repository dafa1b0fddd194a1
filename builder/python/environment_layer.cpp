#include "builder/python/environment_layer.hpp"

#include "base/text.hpp"

#include <memory>
#include <optional>

namespace dash::builder {
namespace {

// What is in one layer. Later files replace earlier ones of the same path.
class Environment {
 public:
  explicit Environment(const InstallScheme& scheme) : scheme_(scheme) {}

  void add_environment() {
    const std::string prefix = scheme_.prefix.substr(1);
    const std::string& executable = scheme_.interpreter.executable;
    const std::string home = executable.substr(0, executable.rfind('/'));
    // What `python -m venv` writes, without the command line that made it.
    entries_.add_text(prefix + "/pyvenv.cfg",
                      concat("home = ", home, "\ninclude-system-site-packages = false\nversion = ",
                             scheme_.interpreter.version, "\nexecutable = ", executable, '\n'));
    entries_.add_link(prefix + "/bin/python", executable);
    entries_.add_link(prefix + "/bin/python3", "python");
    entries_.add_link(concat(prefix, "/bin/python", scheme_.interpreter.minor_version()), "python");
    entries_.add_link(prefix + "/lib64", "lib");
    entries_.add_directory(scheme_.site_packages().substr(1));
  }

  void add_distribution(const InstalledDistribution& distribution, const Bytecode* bytecode) {
    for (const InstalledFile& file : distribution.files) {
      LayerEntry entry = package_entry(file.path, file.mode);
      if (const auto* packed = std::get_if<const ZipEntry*>(&file.content)) {
        entry.entry.size = (*packed)->size;
        entry.read = [&distribution, packed = *packed] { return distribution.wheel->read(*packed); };
      } else {
        entry.text = std::get<std::string>(file.content);
        entry.entry.size = entry.text.size();
      }
      entries_.add(std::move(entry));
    }
    std::vector<RecordRow> record = distribution.record;
    for (const CompileJob& source : distribution.sources) {
      const std::optional<Bytes> pyc =
          bytecode == nullptr ? std::nullopt : bytecode->find(source.source->path);
      if (!pyc) continue;
      LayerEntry entry = package_entry(source.pyc_path, 0644);
      entry.mapped = *pyc;
      entry.entry.size = pyc->size();
      entries_.add(std::move(entry));
      record.push_back({relative_to_site_packages(source.pyc_path), "", ""});
    }
    entries_.add_text(distribution.record_path, format_record(std::move(record)));
  }

  std::vector<LayerEntry> finish() && { return std::move(entries_).finish(); }

 private:
  std::string relative_to_site_packages(const std::string& path) const {
    const std::string site_packages = scheme_.site_packages().substr(1) + '/';
    if (path.starts_with(site_packages)) return path.substr(site_packages.size());
    return "../../.." + path.substr(scheme_.prefix.size() - 1);
  }

  const InstallScheme& scheme_;
  LayerEntries entries_;
};

std::vector<LayerEntry> environment_entries(const InstallScheme& scheme) {
  Environment environment(scheme);
  environment.add_environment();
  return std::move(environment).finish();
}

}  // namespace

std::vector<std::string> environment_files(const InstallScheme& scheme) {
  std::vector<std::string> out;
  for (const LayerEntry& entry : environment_entries(scheme))
    if (entry.entry.type != EntryType::directory) out.push_back(entry.entry.path);
  return out;
}

oci::Layer write_environment_layer(const Workbench& bench, const InstallScheme& scheme) {
  return write_layer(bench, {environment_entries(scheme), {}});
}

void write_package_layers(const Workbench& bench, const InstallScheme& scheme,
                          const std::vector<PackageGroup>& groups, const BytecodeSource& bytecode,
                          const LayerWritten& written) {
  const auto content = [&](std::size_t group) {
    Environment environment(scheme);
    LayerContent out;
    for (const InstalledDistribution* distribution : groups[group]) {
      std::shared_ptr<const Bytecode> compiled;
      if (bytecode) compiled = std::make_shared<const Bytecode>(bytecode(*distribution));
      environment.add_distribution(*distribution, compiled.get());
      out.owners.push_back(std::move(compiled));
    }
    out.entries = std::move(environment).finish();
    return out;
  };
  write_layers(bench, groups.size(), content, written);
}

}  // namespace dash::builder
