#include "builder/python/provided_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/package_name.hpp"
#include "builder/packages/write_layers.hpp"
#include "builder/python/stand_in_wheel.hpp"
#include "builder/python/uv_compile.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

// Any Python 3.6 runs these. Prints a list of [name, version, place of the metadata, lines of metadata].
constexpr const char* kList = R"(import email, glob, json, os, sysconfig
site = sysconfig.get_path("purelib")
out = []
for info in sorted(glob.glob(site + "/*.dist-info") + glob.glob(site + "/*.egg-info")):
    metadata = next((p for p in (info + "/METADATA", info + "/PKG-INFO", info) if os.path.isfile(p)), None)
    if metadata is None:
        continue
    with open(metadata, encoding="utf-8", errors="replace") as file:
        message = email.message_from_string(file.read())
    name, version = message["Name"], message["Version"]
    if not name or not version:
        continue
    fields = ["%s: %s" % (key, " ".join(value.split()))
              for key in ("Requires-Python", "Requires-Dist", "Provides-Extra")
              for value in message.get_all(key, [])]
    out.append([name, version, info, fields])
print(json.dumps(out))
)";

// For each place in its arguments the package's files, with what was compiled of them, relative to the root;
// a directory that has nothing else stands for all that is in it. Nothing for one that does not list its
// files.
constexpr const char* kFiles = R"(import csv, importlib.util, json, os, sys, sysconfig
site = sysconfig.get_path("purelib")

def recorded(info):
    with open(info + "/RECORD", encoding="utf-8", newline="") as file:
        files = [os.path.normpath(os.path.join(site, row[0])) for row in csv.reader(file) if row]
    files += [info + "/" + name for name in os.listdir(info)]
    files += [importlib.util.cache_from_source(path) for path in files if path.endswith(".py")]
    return {path for path in files if path.startswith(sys.prefix + "/") and os.path.lexists(path)}

# Directories with nothing else, in place of what is in them.
def gathered(files):
    whole = {}
    def is_whole(directory):
        if directory not in whole:
            entries = [directory + "/" + name for name in os.listdir(directory)]
            whole[directory] = all(
                is_whole(path) if os.path.isdir(path) and not os.path.islink(path) else path in files
                for path in entries)
        return whole[directory]
    out = set()
    for path in files:
        while os.path.dirname(path) != site and path.startswith(site + "/") and is_whole(os.path.dirname(path)):
            path = os.path.dirname(path)
        out.add(path)
    return sorted(out)

out = []
for info in sys.argv[1:]:
    paths = gathered(recorded(info)) if os.path.isfile(info + "/RECORD") else []
    out.append([path[1:] for path in paths])
print(json.dumps(out))
)";

// "1.0" and "1.0.0" are the same version; conda and pip do not write all alike.
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

}  // namespace

ProvidedPackages::ProvidedPackages(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                   const Interpreter& interpreter, const std::string& step)
    : layers_(layers), interpreter_(interpreter.executable), wheels_(bench.store.work_directory()) {
  const Json list = Json::parse(ask(bench, kList, {}));
  for (const Json& one : list) {
    Package package{normal_package_name(one.at(0).get<std::string>()), one.at(1).get<std::string>(),
                    one.at(2).get<std::string>()};
    const auto wheel =
        stand_in_wheel(package.name, package.version, one.at(3).get<std::vector<std::string>>());
    if (contains(wheel.file_name, "/")) continue;  // no requirement can mean that
    write_file(wheels_.path() / wheel.file_name, wheel.bytes);
    packages_.push_back(std::move(package));
  }
  std::ranges::stable_sort(packages_, {}, &Package::name);
  // clang 14 cannot read what std::ranges::unique returns.
  const auto same_name = [](const Package& a, const Package& b) { return a.name == b.name; };
  packages_.erase(std::unique(packages_.begin(), packages_.end(), same_name), packages_.end());
  bench.log(step, concat(packages_.size(), " Python packages are there from conda"));
}

// What one of the programs prints: a JSON array.
std::string ProvidedPackages::ask(const Workbench& bench, const char* program,
                                  const std::vector<std::string>& arguments) const {
  SandboxCommand command;
  command.layers = layers_;
  command.argv = {interpreter_, "-I", "-S", "-c", program};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.environment = {"LANG=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUTF8=1"};
  std::string output;
  command.on_stdout_bytes = [&](std::string_view bytes) { output += bytes; };
  const auto result = bench.sandbox.run(command, bench.stop);
  if (result.exit_code != 0 || !Json::accept(output) || !output.starts_with('['))
    throw Error(
        ErrorCode::step_failed,
        concat("listing the Python packages that conda installed failed with exit code ", result.exit_code))
        .with_output(result.tail)
        .with_hint("Python 3.6 or newer is needed for requirements.txt in a conda app.");
  return output;
}

const ProvidedPackages::Package* ProvidedPackages::find(const std::string& name) const {
  const auto found = std::ranges::lower_bound(packages_, name, {}, &Package::name);
  return found != packages_.end() && found->name == name ? &*found : nullptr;
}

void ProvidedPackages::offer(ResolveRequest& request) const {
  for (const Package& package : packages_) request.installed.push_back({package.name, package.version});
  request.installed_wheels = wheels_.path();
}

void ProvidedPackages::remove_from(Lock& lock) const {
  std::string out;
  std::string section;
  std::string name;
  std::string version;
  const auto flush = [&] {
    const auto* package = find(normal_package_name(name));
    const bool keep = !section.starts_with("[[packages]]") || package == nullptr ||
                      plain_version(package->version) != plain_version(version);
    if (keep) out += section;
    section.clear();
    name.clear();
    version.clear();
  };
  for (const auto line : split_lines(lock.text)) {
    if (line.starts_with('[') && !line.starts_with("[packages")) flush();
    if (name.empty()) name = value_of(line, "name");
    if (version.empty()) version = value_of(line, "version");
    section += concat(line, '\n');
  }
  flush();
  lock = Lock::parse(out, UvCompile::kDirectory);
}

std::optional<oci::Layer> ProvidedPackages::hide(const Workbench& bench, const Lock& lock) const {
  std::vector<const Package*> replaced;
  std::vector<std::string> places;
  for (const LockedPackage& locked : lock.packages)
    if (const Package* package = find(locked.name)) {
      replaced.push_back(package);
      places.push_back(package->place);
    }
  if (replaced.empty()) return std::nullopt;
  const auto files = Json::parse(ask(bench, kFiles, places)).get<std::vector<std::vector<std::string>>>();
  const auto before = [](const std::string& a, const std::string& b) { return oci::layer_path_less(a, b); };
  std::map<std::string, std::string, decltype(before)> entries(before);  // what is hidden, by its whiteout
  for (std::size_t i = 0; i < replaced.size(); ++i) {
    const Package* package = replaced[i];
    const auto& paths = files.at(i);
    if (paths.empty())
      throw Error(ErrorCode::unsupported,
                  concat("requirements.txt needs another ", package->name, " than conda's ", package->version,
                         ", which has no list of its files and cannot be uninstalled"))
          .with_hint(concat("Write the version that is needed into conda-requirements.txt, or leave ",
                            package->name, " out of requirements.txt."));
    for (const std::string& path : paths) {
      const auto slash = path.rfind('/') + 1;
      entries.emplace(concat(path.substr(0, slash), ".wh.", path.substr(slash)), path);
      for (auto end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1))
        entries.emplace(path.substr(0, end), "");
    }
  }
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
