// Compiling installed modules with the image's own interpreter, once per package.
#pragma once

#include "builder/packages/zip.hpp"
#include "builder/workbench.hpp"

#include <cstddef>
#include <cstdint>
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

// The .pyc files of one package: a file in the store, mapped into memory. Copies share the mapping.
// Thread-safe.
class Bytecode {
 public:
  // Error(corrupt) when the file is not what `compile_bytecode` writes.
  explicit Bytecode(const fs::path& path);
  // Content of the .pyc of a source; nothing when that does not compile.
  std::optional<Bytes> find(std::string_view name) const;

 private:
  std::shared_ptr<const void> map_;
  std::unordered_map<std::string_view, Bytes> files_;
};

// A source to compile, and where its bytes are.
struct CompileSource {
  std::string name;               // by which Bytecode knows it
  std::size_t file = 0;           // index in CompileRequest::files
  std::uint64_t offset = 0;       // in that file
  std::uint64_t packed_size = 0;  // bytes there
  ZipEntry::Method method = ZipEntry::Method::stored;
  std::uint64_t size = 0;   // unpacked
  std::string source_path;  // absolute, as the code object will show it
  std::string first_line;   // what replaces the source's first line, with its end; or empty
};

// The sources of one package. Their .pyc files are kept in the store under the key.
struct CompileRequest {
  std::string key;              // a file's name that tells packages and interpreters apart
  std::vector<fs::path> files;  // below CompilerSettings::directories
  std::vector<CompileSource> sources;
  std::shared_ptr<const void> owner;  // what must stay until they are compiled
};

// The compiler, and what it sees.
struct CompilerSettings {
  std::vector<oci::Layer> layers;
  // SandboxCommand::extra_layers; called when there is something to compile, by a thread of the compiler; may
  // be empty.
  std::function<std::vector<fs::path>()> extra_layers;
  std::string executable;             // of the interpreter, in these
  std::vector<fs::path> directories;  // of the host, where the files are
  std::string place;                  // where the sources are installed: a part of what decides the bytes
  // Times of the sources in the image. Interpreters before 3.7, which know no hashes, find it in their .pyc
  // files.
  std::uint32_t source_time = 0;
};

// Compiles the modules of packages as they come in, in one sandbox run with a process per core; what the
// store has already is not compiled again. Hash-based "checked" .pyc files (PEP 552), optimisation level 0:
// equal sources, path and interpreter give equal bytes, in whatever order they were compiled. A file with a
// syntax error has none, as with pip.
class BytecodeCompiler {
 public:
  // `bench` must outlive the object.
  BytecodeCompiler(const Workbench& bench, std::string step, CompilerSettings settings);
  ~BytecodeCompiler();  // stops what is running
  BytecodeCompiler(const BytecodeCompiler&) = delete;
  BytecodeCompiler& operator=(const BytecodeCompiler&) = delete;

  // Queues the modules and returns; the files must be there. Thread-safe.
  void add(CompileRequest request);

  // Nothing more is added. Thread-safe; needed before `get` and `finish` can return.
  void close();

  // The Bytecode of a request that was added, by its key, as soon as all its modules are compiled. What went
  // wrong since the start is thrown here. Thread-safe.
  Bytecode get(const std::string& key);

  // Waits for the end of the sandbox run; throws what went wrong.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dash::builder
