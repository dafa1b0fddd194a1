// Compiling installed modules with the image's own interpreter, once per wheel.
#pragma once

#include "builder/python/install.hpp"
#include "builder/workbench.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace dash::builder {

// Whether .pyc files are made.
enum class PycFiles { compile, omit };

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

// Compiles the modules of distributions as they come in, in one sandbox run with a process per core that
// reads the wheels in the store; what the store has already is not compiled again. Hash-based "checked" .pyc
// files (PEP 552), optimisation level 0: equal sources, path and interpreter give equal bytes, in whatever
// order they were compiled. A file with a syntax error has none, as with pip.
class BytecodeCompiler {
 public:
  // `bench` must outlive the object.
  BytecodeCompiler(const Workbench& bench, std::string step, std::vector<oci::Layer> layers,
                   InstallScheme scheme);
  ~BytecodeCompiler();  // stops what is running
  BytecodeCompiler(const BytecodeCompiler&) = delete;
  BytecodeCompiler& operator=(const BytecodeCompiler&) = delete;

  // Queues the distribution's modules and returns; its wheel must be in its place in the store. Thread-safe.
  void add(const InstalledDistribution& distribution);

  // Nothing more is added. Thread-safe; needed before `get` and `finish` can return.
  void close();

  // The Bytecode of a distribution that was added, as soon as all its modules are compiled. What went wrong
  // since the start is thrown here. Thread-safe.
  Bytecode get(const InstalledDistribution& distribution);

  // Waits for the end of the sandbox run; throws what went wrong.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dash::builder
