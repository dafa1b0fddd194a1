// Compiling installed modules with the image's own interpreter, once per wheel.
#pragma once

#include "builder/python/install.hpp"
#include "builder/workbench.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dash::builder {

// The .pyc files of one wheel: a file in the store, mapped into memory. Copies share the mapping.
// Thread-safe.
class Bytecode {
 public:
  // Error(corrupt) when the file is not what `compile_bytecode` writes.
  explicit Bytecode(const fs::path& path);
  // Content of the .pyc of an archive entry; nothing when the source does not compile.
  std::optional<Bytes> find(std::string_view entry) const;

 private:
  std::shared_ptr<const void> map_;
  std::unordered_map<std::string_view, Bytes> files_;
};

// Compiles what the distributions list in `sources` and the store does not have yet, in one sandbox run with
// a process per core, reading the wheels in the store. Hash-based "checked" .pyc files (PEP 552),
// optimisation level 0: equal sources, path and interpreter give equal bytes. A file with a syntax error has
// none, as with pip. Returns one Bytecode per distribution, in order.
std::vector<Bytecode> compile_bytecode(const Workbench& bench, const std::string& step,
                                       const std::vector<oci::Layer>& layers, const InstallScheme& scheme,
                                       const std::vector<InstalledDistribution>& distributions);

}  // namespace dash::builder
