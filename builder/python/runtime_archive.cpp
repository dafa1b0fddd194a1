#include "builder/python/runtime_archive.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/python/probe.hpp"
#include "builder/python/source_copies.hpp"
#include "builder/system/system_layer.hpp"
#include "oci/layer_writer.hpp"
#include "oci/tree.hpp"

#include <boost/filesystem/directory.hpp>

namespace dash::builder {

namespace {

constexpr std::string_view kDigestMark = "#sha256=";

// Compiles the standard library, except its tests, which no app imports.
constexpr const char* kCompile =
    "exec \"$1\" -s -S -m compileall -q -j 0 --invalidation-mode checked-hash "
    "-x '/(test|tests|idle_test|lib2to3/tests|site-packages)/' \"$2\"";

std::string minor_of(std::string_view version) {
  return std::string(version.substr(0, version.rfind('.')));
}

std::uint64_t patch_of(std::string_view version) {
  return parse_uint(version.substr(version.rfind('.') + 1)).value_or(0);
}

std::string with_values(std::string text, const std::vector<std::pair<std::string, std::string>>& values) {
  for (const auto& [name, value] : values)
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + value.size()))
      text.replace(at, name.size(), value);
  return text;
}

// Three numbers with dots between them.
bool is_version(std::string_view text) {
  const auto parts = split(text, '.');
  return parts.size() == 3 &&
         std::ranges::all_of(parts, [](auto part) { return parse_uint(part).has_value(); });
}

std::string file_name(const RuntimeArchive& archive) {
  const auto name = archive.location.substr(archive.location.rfind('/') + 1);
  return name.substr(0, name.find('?'));
}

Error not_a_runtime(const RuntimeArchive& archive, std::string_view why) {
  return Error(ErrorCode::invalid_input, concat("the runtime archive ", file_name(archive), " ", why))
      .with_hint("archives of the layout \"install_only\" of python-build-standalone are needed");
}

// The archive on this machine; what was downloaded before is in the store.
fs::path get_archive(const Workbench& bench, const RuntimeArchive& archive, const std::string& step) {
  const auto location = with_values(archive.location, {{"{machine}", bench.host.machine}});
  if (!contains(location, "://")) {
    FileSource source(location);
    if (sha256(source) != archive.sha256)
      throw Error(ErrorCode::corrupt, concat(location, " does not have the digest that is configured"))
          .with_hint("check the file, or configure the digest that 'sha256sum' shows");
    return location;
  }
  const auto directory = bench.store.packages() / "runtimes";
  make_directories(directory);
  const auto kept = directory / to_hex(archive.sha256);
  if (bench.store.claim(kept)) return kept;
  if (bench.network == Network::none)
    throw Error(ErrorCode::unavailable, concat("the runtime archive of Python ", archive.version,
                                               " is not in the store, and the build is offline"))
        .with_hint("build once online with this store");
  bench.log(step, concat("Fetching Python ", archive.version));
  bench.fetcher.fetch({{location, kept, archive.sha256, std::nullopt, file_name(archive)}}, {}, bench.stop);
  return kept;
}

void add_link(const fs::path& link, const std::string& target) {
  boost::system::error_code absent;
  if (fs::symlink_status(link, absent).type() == fs::file_not_found) fs::create_symlink(target, link);
}

// Brings the unpacked tree into the form that every environment has: `python` and `python3`, and nothing
// installed.
void normalise(const fs::path& python, const RuntimeArchive& archive) {
  const auto minor = minor_of(archive.version);
  const auto name = concat("python", minor);
  const auto library = python / "lib" / name;
  if (!fs::is_regular_file(python / "bin" / name) || !fs::is_regular_file(library / "os.py"))
    throw not_a_runtime(archive,
                        concat("has no bin/", name, " with lib/", name, "/os.py below its top directory"));
  add_link(python / "bin/python3", name);
  add_link(python / "bin/python", name);
  remove_tree(library / "site-packages");
  make_directories(library / "site-packages");
  std::vector<fs::path> scripts;
  for (const auto& entry : fs::directory_iterator(python / "bin"))
    if (entry.path().filename().string().starts_with("pip")) scripts.push_back(entry.path());
  for (const auto& script : scripts) remove_tree(script);
}

oci::Layer interpreter_layer(const Workbench& bench, const RuntimeArchive& archive, const fs::path& file) {
  const auto work = bench.store.work_directory();
  const auto root = work.path() / "root";
  const auto python = root / fs::path(kPythonPrefix).relative_path();
  make_directories(python.parent_path());
  unpack_source(file, python, bench.stop);
  normalise(python, archive);
  oci::TreeOptions options;
  options.owner = {kAppUser, kAppUser};
  options.modes = oci::TreeOptions::Modes::source;
  oci::LayerWriter writer(bench.layer_settings());
  oci::add_tree(writer, root, options, bench.stop);
  return writer.finish();
}

oci::Layer bytecode_layer(const Workbench& bench, const std::vector<oci::Layer>& layers,
                          const Interpreter& interpreter, const std::string& step) {
  SandboxCommand command;
  command.layers = layers;
  command.argv = {"/bin/sh",
                  "-c",
                  kCompile,
                  "sh",
                  interpreter.executable,
                  concat(kPythonPrefix, "/lib/python", interpreter.minor_version())};
  command.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONHASHSEED=0"};
  command.uid = command.gid = kAppUser;
  command.changes = Changes::keep;
  command.on_output = [&](std::string_view line) { bench.log(step, std::string(line)); };
  const auto result = bench.sandbox.run(command, bench.stop);
  if (result.exit_code != 0)
    throw Error(ErrorCode::step_failed,
                concat("compiling the standard library failed with exit code ", result.exit_code))
        .with_hint("the runtime archive may be damaged, or need a newer libc than the base image has")
        .with_output(result.tail);
  return change_to_layer(bench, result.changes);
}

}  // namespace

RuntimeArchive parse_runtime_archive(std::string_view text) {
  const auto bad = [&](std::string_view what) {
    return Error(ErrorCode::usage, concat("the Python runtime ", dash::quoted(text), " ", what))
        .with_hint(
            "write it as VERSION=URL-or-FILE#sha256=DIGEST, for example "
            "3.12.7=https://files.example/cpython-{version}.tar.gz#sha256=6ac9…");
  };
  const auto equals = text.find('=');
  const auto mark = text.rfind(kDigestMark);
  if (mark == std::string_view::npos) throw bad("names no digest");
  if (equals == std::string_view::npos || equals >= mark) throw bad("names no version");
  RuntimeArchive out;
  out.version = text.substr(0, equals);
  if (!is_version(out.version)) throw bad("does not start with a version like 3.12.7");
  const auto digest = sha256_from_hex(text.substr(mark + kDigestMark.size()));
  if (!digest) throw bad("has a digest that is none: 64 hexadecimal digits are needed");
  out.sha256 = *digest;
  out.location = with_values(std::string(text.substr(equals + 1, mark - equals - 1)),
                             {{"{version}", out.version}, {"{minor}", minor_of(out.version)}});
  if (out.location.empty()) throw bad("names no archive");
  if (!contains(out.location, "://")) out.location = fs::absolute(out.location).string();
  return out;
}

const RuntimeArchive* choose_runtime(const std::vector<RuntimeArchive>& archives,
                                     const PythonVersionRequest& request) {
  const RuntimeArchive* best = nullptr;
  for (const auto& archive : archives) {
    const auto match = request.match(archive.version);
    if (match == PythonVersionRequest::Match::no) continue;
    if (match == PythonVersionRequest::Match::yes && request.patch) return &archive;
    if (best == nullptr || patch_of(best->version) < patch_of(archive.version)) best = &archive;
  }
  return best;
}

std::string versions_of(const std::vector<RuntimeArchive>& archives) {
  std::vector<std::string> out;
  for (const auto& archive : archives) out.push_back(archive.version);
  return join(out, ", ");
}

std::vector<oci::Layer> install_runtime(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                        const RuntimeArchive& archive, const std::string& step) {
  const auto file = get_archive(bench, archive, step);
  std::vector<oci::Layer> out = {interpreter_layer(bench, archive, file)};
  auto all = layers;
  all.push_back(out.front());
  const auto interpreter = probe_interpreter(bench, all, step, kRuntimeProgram);
  if (interpreter.version != archive.version)
    throw not_a_runtime(archive,
                        concat("is configured as Python ", archive.version, " but is ", interpreter.version));
  out.push_back(bytecode_layer(bench, all, interpreter, step));
  return out;
}

}  // namespace dash::builder
