#include "builder/python/probe.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <map>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

constexpr const char* kSearchPath = "PATH=/usr/local/bin:/usr/bin:/bin";
constexpr int kNoProgram = 127;  // as shells say it
// Of the names of records, around a SHA-256.
constexpr std::string_view kRecordPrefix = "interpreter-";
constexpr std::string_view kRecordSuffix = ".json";

// The names are the fields of Interpreter; one per line.
constexpr const char* kProbe = R"(import importlib.util, os, platform, sys, sysconfig
libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
for name, value in (
    ("executable", os.path.realpath(sys.executable)),
    ("version", platform.python_version()),
    ("implementation", sys.implementation.name),
    ("cache_tag", sys.implementation.cache_tag),
    ("soabi", sysconfig.get_config_var("SOABI") or ""),
    ("machine", sysconfig.get_platform().split("-", 1)[-1]),
    ("libc", libc or ""),
    ("magic", importlib.util.MAGIC_NUMBER.hex()),
):
    print(name, value, sep="=")
)";

// The image's layers, not their blobs: recompressing changes nothing. The recipe is part of it.
std::string record_name(const std::vector<oci::Layer>& layers, const std::string& program) {
  std::string text = kProbe;
  if (program != kImageProgram) text += concat(program, '\n');
  for (const oci::Layer& layer : layers) text += concat(layer.diff_id.to_string(), '\n');
  return concat(kRecordPrefix, to_hex(sha256(text)), kRecordSuffix);
}

std::map<std::string, std::string> run_probe(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                             const std::string& program) {
  std::string output;
  SandboxCommand command;
  command.layers = layers;
  command.argv = {"/bin/sh", "-c", "exec \"$2\" -I -S -c \"$1\"", "sh", kProbe, program};
  command.environment = {kSearchPath, "LANG=C.UTF-8"};
  command.on_stdout_bytes = [&output](std::string_view bytes) { output += bytes; };
  const SandboxResult result = bench.sandbox.run(command, bench.stop);
  if (result.exit_code != 0 && program != kImageProgram)
    throw Error(ErrorCode::invalid_input,
                concat("the interpreter ", program, " does not start (exit code ", result.exit_code, ")"))
        .with_output(output + result.tail)
        .with_hint("It must run with the base image's libraries and libc; Python 3.6 or newer is needed.");
  if (result.exit_code == kNoProgram)
    throw Error(ErrorCode::invalid_input, "the base image has no Python interpreter (python3 in PATH)")
        .with_hint("Use a base image with python3, or list python3 in apt-packages.");
  if (result.exit_code != 0)
    throw Error(ErrorCode::step_failed,
                concat("the base image's python3 does not work (exit code ", result.exit_code, ")"))
        .with_output(output + result.tail)
        .with_hint("Python 3.6 or newer with its standard library is needed.");
  std::map<std::string, std::string> values;
  for (std::string_view line : split_lines(output))
    if (const std::size_t equals = line.find('='); equals != std::string_view::npos)
      values.emplace(line.substr(0, equals), line.substr(equals + 1));
  return values;
}

Interpreter interpreter_of(const std::map<std::string, std::string>& values) {
  auto value = [&values](const char* name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  };
  Interpreter out;
  out.executable = value("executable");
  out.version = value("version");
  out.implementation = value("implementation");
  out.cache_tag = value("cache_tag");
  out.soabi = value("soabi");
  out.machine = value("machine");
  for (char& c : out.machine)
    if (c == '-' || c == '.') c = '_';
  out.magic = value("magic");
  const std::string libc = value("libc");  // "glibc 2.36"
  if (libc.starts_with("glibc ")) {
    const std::vector<std::string_view> parts = split(std::string_view(libc).substr(6), '.');
    out.glibc_major = static_cast<int>(parse_uint(parts[0]).value_or(0));
    out.glibc_minor = parts.size() < 2 ? 0 : static_cast<int>(parse_uint(parts[1]).value_or(0));
  }
  if (!out.executable.starts_with('/') || !out.version.starts_with("3.") || out.magic.empty())
    throw Error(ErrorCode::invalid_input,
                concat("the base image's python3 is not usable: version ", dash::quoted(out.version),
                       ", executable ", dash::quoted(out.executable)))
        .with_hint("Python 3.6 or newer with its standard library is needed.");
  return out;
}

}  // namespace

std::optional<Interpreter> known_interpreter(const Store& store, const std::vector<oci::Layer>& layers,
                                             const std::string& program) {
  const std::optional<std::string> text = read_file_if_exists(store.records() / record_name(layers, program));
  if (!text) return std::nullopt;
  const Json values = Json::parse(*text, nullptr, false);
  if (!values.is_object()) return std::nullopt;  // a record that cannot be read is made again
  return interpreter_of(values.get<std::map<std::string, std::string>>());
}

std::string interpreter_fact(const Store& store, const std::vector<oci::Layer>& layers,
                             const std::string& program) {
  const std::string name = record_name(layers, program);
  const std::optional<std::string> text = read_file_if_exists(store.records() / name);
  if (!text) return {};
  const Json values = Json::parse(*text, nullptr, false);
  return values.is_object() ? Json{{"record", name}, {"values", values}}.dump() : std::string();
}

void remember_interpreter(const Store& store, const std::string& fact) {
  try {
    const Json json = Json::parse(fact);
    const std::string name = json.at("record").get<std::string>();
    if (!name.starts_with(kRecordPrefix) || !name.ends_with(kRecordSuffix) ||
        !sha256_from_hex(
            name.substr(kRecordPrefix.size(), name.size() - kRecordPrefix.size() - kRecordSuffix.size())))
      return;
    const auto values = json.at("values").get<std::map<std::string, std::string>>();
    static_cast<void>(interpreter_of(values));
    if (!fs::exists(store.records() / name))
      write_file_atomic(store.records() / name, Json(values).dump(1) + '\n');
  } catch (const Json::exception&) {
  } catch (const Error& error) {  // no interpreter that anybody could use
    if (error.code() != ErrorCode::invalid_input) throw;
  }
}

Interpreter probe_interpreter(const Workbench& bench, const std::vector<oci::Layer>& layers,
                              const std::string& step, const std::string& program) {
  if (auto known = known_interpreter(bench.store, layers, program)) return std::move(*known);
  const std::map<std::string, std::string> values = run_probe(bench, layers, program);
  Interpreter interpreter = interpreter_of(values);
  write_file_atomic(bench.store.records() / record_name(layers, program), Json(values).dump(1) + '\n');
  bench.log(step, concat("Python ", interpreter.version, " (", interpreter.executable, ")"));
  return interpreter;
}

}  // namespace dash::builder
