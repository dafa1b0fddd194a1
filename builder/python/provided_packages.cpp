#include "builder/python/provided_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/package_name.hpp"
#include "builder/packages/write_layers.hpp"
#include "builder/python/bytecode.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

constexpr const char* kWheels = "/run/dash-build/provided";

// Any Python 3 runs it. Prints a list of [name, version, files]; argv[1] is where wheels go.
constexpr const char* kProgram = R"(import csv, email, glob, json, os, sys, sysconfig, zipfile
out = []
site = sysconfig.get_path("purelib")
for info in sorted(glob.glob(site + "/*.dist-info") + glob.glob(site + "/*.egg-info")):
    metadata = next((p for p in (info + "/METADATA", info + "/PKG-INFO", info) if os.path.isfile(p)), None)
    if metadata is None:
        continue
    with open(metadata, encoding="utf-8", errors="replace") as file:
        text = file.read()
    message = email.message_from_string(text)
    name, version = message["Name"], message["Version"]
    if not name or not version:
        continue
    files = []
    if os.path.isfile(info + "/RECORD"):
        with open(info + "/RECORD", encoding="utf-8", newline="") as file:
            files = [os.path.normpath(os.path.join(site, row[0])) for row in csv.reader(file) if row]
        files += [f for f in (info + "/" + n for n in os.listdir(info)) if f not in files]
    stem = "%s-%s" % (name.replace("-", "_"), version.replace("-", "_"))
    lines = ["Metadata-Version: 2.1", "Name: " + name, "Version: " + version]
    for key in ("Requires-Python", "Requires-Dist", "Provides-Extra"):
        lines += ["%s: %s" % (key, " ".join(value.split())) for value in message.get_all(key, [])]
    with zipfile.ZipFile(os.path.join(sys.argv[1], stem + "-py2.py3-none-any.whl"), "w") as wheel:
        wheel.writestr(stem + ".dist-info/METADATA", "\n".join(lines) + "\n")
        wheel.writestr(stem + ".dist-info/WHEEL",
                       "Wheel-Version: 1.0\nGenerator: dash-build\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n")
        wheel.writestr(stem + ".dist-info/RECORD", "")
    out.append([name, version, files])
print(json.dumps(out))
)";

// "1.0" and "1.0.0" are the same version, as are "1.0-1" and "1.0.post1"; conda and pip write them alike.
std::string plain_version(std::string_view version) {
  std::string out = to_lower(version);
  while (out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

std::string value_of(std::string_view line, std::string_view key) {
  const std::string start = concat(key, " = \"");
  if (!line.starts_with(start) || !line.ends_with('"')) return {};
  return std::string(line.substr(start.size(), line.size() - start.size() - 1));
}

// A package's own files and what was compiled of them.
std::set<std::string> files_of(const ProvidedPackage& package, const Interpreter& interpreter) {
  constexpr std::string_view kInfo = ".dist-info";
  std::set<std::string> out;
  // Its metadata goes as a whole: an empty directory would still count as a package.
  for (const std::string& path : package.files) {
    const auto info = path.find(concat(kInfo, '/'));
    out.insert(info == std::string::npos ? path : path.substr(0, info + kInfo.size()));
  }
  for (const std::string& path : package.files) {
    if (!path.ends_with(".py")) continue;
    const auto slash = path.rfind('/') + 1;
    out.insert(concat(path.substr(0, slash), "__pycache__/", path.substr(slash, path.size() - slash - 3), '.',
                      interpreter.cache_tag, ".pyc"));
  }
  return out;
}

}  // namespace

const ProvidedPackage* ProvidedPackages::find(const std::string& name) const {
  const auto found = std::ranges::lower_bound(packages, name, {}, &ProvidedPackage::name);
  return found != packages.end() && found->name == name ? &*found : nullptr;
}

ProvidedPackages find_provided_packages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                        const Interpreter& interpreter, const fs::path& wheels,
                                        const std::string& step) {
  SandboxCommand command;
  command.layers = layers;
  command.argv = {interpreter.executable, "-I", "-S", "-c", kProgram, kWheels};
  command.environment = {"LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1"};
  command.mounts = {{wheels, kWheels, SandboxMount::Access::read_write}};
  std::string output;
  command.on_stdout_bytes = [&](std::string_view bytes) { output += bytes; };
  const auto result = bench.sandbox.run(command, bench.stop);
  const Json list = Json::parse(output, nullptr, false);
  if (result.exit_code != 0 || !list.is_array())
    throw Error(
        ErrorCode::step_failed,
        concat("listing the Python packages that conda installed failed with exit code ", result.exit_code))
        .with_output(result.tail)
        .with_hint("Python 3.6 or newer is needed for requirements.txt in a conda app.");
  ProvidedPackages out;
  for (const Json& one : list) {
    ProvidedPackage package{
        normal_package_name(one.at(0).get<std::string>()), one.at(1).get<std::string>(), {}};
    for (const Json& file : one.at(2)) package.files.push_back(file.get<std::string>().substr(1));
    out.packages.push_back(std::move(package));
  }
  std::ranges::stable_sort(out.packages, {}, &ProvidedPackage::name);
  const auto same = std::ranges::unique(out.packages, {}, &ProvidedPackage::name);
  out.packages.erase(same.begin(), same.end());
  bench.log(step, concat(out.packages.size(), " Python packages are there from conda"));
  return out;
}

std::string preferences_lock(const ProvidedPackages& provided) {
  std::string out = "lock-version = \"1.0\"\ncreated-by = \"uv\"\n";
  for (const ProvidedPackage& package : provided.packages)
    out += concat("\n[[packages]]\nname = \"", package.name, "\"\nversion = \"", package.version, "\"\n");
  return out;
}

std::string without_provided(std::string_view lock, const ProvidedPackages& provided) {
  std::string out;
  std::string section;
  std::string name;
  std::string version;
  const auto flush = [&] {
    const auto* package = provided.find(normal_package_name(name));
    const bool keep = !section.starts_with("[[packages]]") || package == nullptr ||
                      plain_version(package->version) != plain_version(version);
    if (keep) out += section;
    section.clear();
    name.clear();
    version.clear();
  };
  for (const auto line : split(lock, '\n')) {
    if (line.starts_with('[') && !line.starts_with("[packages")) flush();
    if (name.empty()) name = value_of(line, "name");
    if (version.empty()) version = value_of(line, "version");
    section += concat(line, '\n');
  }
  flush();
  out.pop_back();  // what `split` made of the last line's end
  return out;
}

std::optional<oci::Layer> remove_provided(const Workbench& bench, const ProvidedPackages& provided,
                                          const Interpreter& interpreter,
                                          const std::vector<std::string>& names, std::string_view prefix) {
  const auto before = [](const std::string& a, const std::string& b) { return oci::layer_path_less(a, b); };
  std::map<std::string, std::string, decltype(before)> entries(before);  // what is hidden, by its whiteout
  for (const std::string& name : names) {
    const ProvidedPackage* package = provided.find(name);
    if (package == nullptr) continue;
    if (package->files.empty())
      throw Error(ErrorCode::unsupported,
                  concat("requirements.txt needs another ", package->name, " than conda's ", package->version,
                         ", which has no list of its files and cannot be uninstalled"))
          .with_hint(concat("Write the version that is needed into conda-requirements.txt, or leave ",
                            package->name, " out of requirements.txt."));
    for (const std::string& path : files_of(*package, interpreter)) {
      if (!path.starts_with(concat(prefix.substr(1), '/'))) continue;
      const auto slash = path.rfind('/') + 1;
      entries.emplace(concat(path.substr(0, slash), ".wh.", path.substr(slash)), path);
      for (auto end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
        entries.emplace(path.substr(0, end), "");
    }
  }
  if (entries.empty()) return std::nullopt;
  oci::LayerWriter writer(bench.layer_settings());
  for (const auto& [path, hidden] : entries) {
    if (!hidden.empty()) {
      writer.add_whiteout(hidden);
      continue;
    }
    auto directory = package_entry(path, 0755).entry;
    directory.type = EntryType::directory;
    writer.add(std::move(directory));
  }
  return writer.finish();
}

}  // namespace dash::builder
