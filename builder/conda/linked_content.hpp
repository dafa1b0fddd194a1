// What a linked package is to the planner of layers, to a layer, to the compiler, and as a tree.
#pragma once

#include "builder/conda/link.hpp"
#include "builder/packages/package_facts.hpp"
#include "builder/packages/write_layers.hpp"
#include "builder/python/bytecode.hpp"

#include <cstdint>
#include <string>

namespace dash::builder {

// A function of package, record and scheme alone. `archive_size` is that of the package file.
PackageFacts package_facts(const LinkedPackage& package, std::uint64_t archive_size, PycFiles pyc_files);

// Adds all its files with its record in conda-meta, and the .pyc files of `bytecode`, which may be a null
// pointer. Package and byte code must outlive the entries.
void add_package(LayerEntries& entries, const LinkedPackage& package, const CondaScheme& scheme,
                 const Bytecode* bytecode);

// Its sources for the compiler. Those that linking changed are written to `changed_sources`, which must not
// be there. The package must stay until they are compiled.
CompileRequest compile_request(const LinkedPackage& package, std::string key,
                               const fs::path& changed_sources);

// Writes the package's files below `root`: for what must run before there is a layer of it.
void unpack(const LinkedPackage& package, const fs::path& root);

}  // namespace dash::builder
