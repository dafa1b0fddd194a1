#include "builder/python/compile_wheel.hpp"

#include "base/text.hpp"

namespace dash::builder {

CompilerSettings compiler_settings(const Workbench& bench, std::vector<oci::Layer> layers,
                                   const InstallScheme& scheme) {
  CompilerSettings out;
  out.layers = std::move(layers);
  out.executable = scheme.interpreter.executable;
  out.directories = {bench.store.packages()};
  out.place = scheme.site_packages();
  return out;
}

std::string bytecode_key(const InstalledDistribution& distribution, const InstallScheme& scheme) {
  return concat(to_hex(distribution.wheel_sha256), '-', scheme.interpreter.magic);
}

CompileRequest compile_request(const InstalledDistribution& distribution, const InstallScheme& scheme) {
  const ZipReader& zip = distribution.wheel->zip();
  CompileRequest out;
  out.key = bytecode_key(distribution, scheme);
  out.files = {zip.path()};
  out.owner = distribution.wheel;
  for (const CompileJob& job : distribution.sources) {
    const ZipEntry& entry = *job.source;
    out.sources.push_back({entry.path, 0, zip.data_offset(entry), entry.compressed_size, entry.method,
                           entry.size, job.source_path, job.first_line});
  }
  return out;
}

}  // namespace dash::builder
