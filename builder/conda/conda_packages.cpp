#include "builder/conda/conda_packages.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/link.hpp"
#include "builder/conda/link_order.hpp"
#include "builder/conda/linked_content.hpp"
#include "builder/conda/package_record.hpp"
#include "builder/conda/post_link.hpp"
#include "builder/eviction.hpp"
#include "builder/packages/arrange_packages.hpp"
#include "builder/sandbox/snapshots.hpp"

#include <algorithm>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace dash::builder {
namespace {

// Part of keys: changes when the same package would give another layer or other facts.
constexpr const char* kRecipe = "conda package 1";
constexpr std::string_view kPython = "python";

class Installer {
 public:
  Installer(const Workbench& bench, const ExplicitLock& lock, const CondaInstallation& request)
      : bench_(bench),
        lock_(lock),
        request_(request),
        collector_(bench, request.step, lock, request.map_url),
        records_(bench.store),
        snapshots_(bench.store.snapshots(), bench.store.layers(),
                   [&bench](std::uint64_t bytes) {
                     require_room(bench.store, {bytes, 0}, "unpacking a layer", bench.stop);
                   }),
        work_(bench.store.work_directory()),
        packages_(lock.packages.size()) {
    scheme_.prefix = request.prefix;
    scheme_.file_times = static_cast<std::uint32_t>(bench.host.source_date_epoch);
    for (const CondaPackageUrl& package : lock.packages)
      if (package.name() == kPython) {
        scheme_.python_version = package.version();
        // CEP 703's builds have another directory.
        if (package.build().ends_with("t") && contains(package.build(), "_cp3"))
          scheme_.python_site_packages = concat("lib/python", scheme_.python_minor(), "t/site-packages");
      }
  }
  // The tasks refer to the object.
  ~Installer() {
    for (Package& package : packages_)
      if (package.planned.valid()) package.planned.wait();
  }
  Installer(const Installer&) = delete;
  Installer& operator=(const Installer&) = delete;

  InstalledCondaPackages install() {
    learn();
    std::vector<std::string> own_files;
    for (const CondaInstallation::File& file : request_.files) own_files.push_back(in_prefix(file.path));
    const InstallOrder order = link_order(facts_);
    const Arrangement arrangement = arrange_packages(facts_, order, own_files, request_.limits);
    for (const std::string& warning : arrangement.warnings) bench_.warn(request_.step, warning);

    InstalledCondaPackages out;
    out.python_version = scheme_.python_version;
    if (!own_files.empty()) out.layers.push_back(write_own_files());
    for (oci::Layer& layer : make_layers(arrangement.layers)) out.layers.push_back(std::move(layer));
    add_post_link(order, out.layers);
    for (const PackageFacts& package : facts_) out.packages.push_back({package.name, package.version});
    std::ranges::sort(out.packages, {}, &InstalledCondaPackages::Package::name);
    return out;
  }

 private:
  struct Planned {
    std::shared_ptr<const LinkedPackage> linked;
    PackageFacts facts;
  };
  struct Package {
    std::optional<StepKey> key;  // known as soon as the package's digest is
    std::future<Planned> planned;
    std::shared_ptr<const LinkedPackage> linked;
  };

  std::string in_prefix(std::string_view path) const { return concat(scheme_.prefix.substr(1), '/', path); }

  StepKey package_key(std::size_t index, const Sha256& sha256) const {
    const CondaPackageUrl& package = lock_.packages[index];
    StepInputs out;
    out.add("recipe", kRecipe);
    out.add("package", to_hex(sha256));
    out.add("url", package.public_url());
    out.add_content("repodata", package.repodata);
    out.add("prefix", scheme_.prefix);
    out.add("python", scheme_.python_minor());
    out.add("site-packages", scheme_.python_site_packages);
    out.add("times", std::to_string(scheme_.file_times));
    out.add("bytecode", request_.pyc_files == PycFiles::compile ? "compiled" : "omitted");
    return out.key("package");
  }

  // The facts of all packages, of those without a record from the packages themselves.
  void learn() {
    std::vector<std::optional<PackageFacts>> facts(packages_.size());
    std::vector<std::size_t> unknown;
    for (std::size_t i = 0; i < packages_.size(); ++i) {
      if (const auto sha256 = collector_.known(i)) packages_[i].key = package_key(i, *sha256);
      if (packages_[i].key && request_.reuse == Reuse::yes) facts[i] = records_.find(*packages_[i].key);
      if (!facts[i]) unknown.push_back(i);
    }
    auto found = open(unknown);
    for (std::size_t i = 0; i < packages_.size(); ++i)
      facts_.push_back(facts[i] ? std::move(*facts[i]) : std::move(found.at(i)));
    std::set<std::string_view> names;
    for (const PackageFacts& package : facts_)
      if (!names.insert(package.name).second)
        throw Error(ErrorCode::invalid_input, concat("there are two packages called ", package.name))
            .with_hint("An environment has one version of a package. Remove one of them.");
  }

  // Gets packages and links them as they come. Returns their facts.
  std::map<std::size_t, PackageFacts> open(const std::vector<std::size_t>& indices) {
    if (!indices.empty()) {
      require_room(bench_.store, {0, 3 * indices.size()}, kInstallPurpose, bench_.stop);
      // New packages are compiled, or at least their interpreter is asked, over what is below.
      if (!ahead_) ahead_.emplace(snapshots_, request_.root);
    }
    collector_.collect(
        indices, [this](std::size_t index, const fs::path& path, const PackageDigests& digests) {
          packages_[index].key = package_key(index, digests.sha256.value());
          packages_[index].planned =
              bench_.pool.submit([this, index, path, digests] { return plan(index, path, digests); });
        });
    std::map<std::size_t, PackageFacts> out;
    for (const std::size_t i : indices) {
      Planned planned = packages_[i].planned.get();
      for (const std::string& warning : planned.linked->warnings) bench_.warn(request_.step, warning);
      packages_[i].linked = std::move(planned.linked);
      out.emplace(i, std::move(planned.facts));
    }
    return out;
  }

  Planned plan(std::size_t index, const fs::path& path, const PackageDigests& digests) {
    if (bench_.stop.stop_requested()) throw Error(ErrorCode::canceled, "stopped while reading packages");
    ReadPackageOptions options;
    options.content = work_.path() / concat(index, ".content");
    options.decoded = path.parent_path() / "decoded.tar.zst";
    options.pool = &bench_.pool;
    CondaPackageUrl package = lock_.packages[index];
    package.digests = digests;
    auto archive = read_package(path, options);
    Planned out;
    out.linked = std::make_shared<const LinkedPackage>(link_package(std::move(archive), package, scheme_));
    out.facts = package_facts(*out.linked, fs::file_size(path), request_.pyc_files);
    if (out.facts.name == kPython) check_python(*out.linked, package);
    records_.save(*packages_[index].key, out.facts);
    return out;
  }

  // What cannot be read does not stay.
  static std::shared_ptr<const PackageArchive> read_package(const fs::path& path,
                                                            const ReadPackageOptions& options) {
    try {
      return std::make_shared<const PackageArchive>(path, options);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::corrupt) remove_tree(path.parent_path());
      throw;
    }
  }

  // Packages of Python were linked to where site-packages is by the python package's version and build.
  void check_python(const LinkedPackage& linked, const CondaPackageUrl& package) const {
    const std::string said = read_package_index(*linked.archive, package).python_site_packages;
    if (said.empty() || said == scheme_.site_packages()) return;
    throw Error(ErrorCode::unsupported, concat(linked.archive->name(), " has its site-packages in ", said,
                                               ", not in ", scheme_.site_packages()))
        .with_hint("Use another build of python.");
  }

  oci::Layer write_own_files() const {
    LayerEntries entries;
    for (const CondaInstallation::File& file : request_.files)
      entries.add_text(in_prefix(file.path), file.text);
    return write_layer(bench_, {std::move(entries).finish(), {}});
  }

  std::vector<oci::Layer> make_layers(const std::vector<PackageIndices>& arrangement) {
    std::vector<StepKey> keys;
    for (const Package& package : packages_) keys.push_back(package.key.value());
    PackageLayers layers{request_.step, request_.reuse, arrangement, facts_, keys};
    if (const auto python = python_index()) layers.compiler = keys[*python].hex();
    return make_package_layers(
        bench_, layers, [this](const std::vector<PackageIndices>& groups, const LayerWritten& written) {
          write(groups, written);
        });
  }

  std::optional<std::size_t> python_index() const {
    for (std::size_t i = 0; i < lock_.packages.size(); ++i)
      if (lock_.packages[i].name() == kPython) return i;
    return std::nullopt;
  }

  bool needs_compiler(const std::vector<PackageIndices>& groups) const {
    const auto is_bytecode = [](const PackageFacts::File& file) {
      return file.kind == PackageFacts::File::Kind::bytecode;
    };
    return std::ranges::any_of(groups, [&](const PackageIndices& group) {
      return std::ranges::any_of(
          group, [&](std::size_t i) { return std::ranges::any_of(facts_[i].files, is_bytecode); });
    });
  }

  // Python and what it depends on, as far as it is in the set.
  std::vector<std::size_t> interpreter_packages() const {
    std::map<std::string_view, std::size_t> by_name;
    for (std::size_t i = 0; i < facts_.size(); ++i) by_name.emplace(facts_[i].name, i);
    std::set<std::size_t> found;
    std::vector<std::size_t> left = {python_index().value()};
    while (!left.empty()) {
      const std::size_t i = left.back();
      left.pop_back();
      if (!found.insert(i).second) continue;
      for (const std::string& name : facts_[i].dependencies)
        if (const auto dependency = by_name.find(name); dependency != by_name.end() && name != "pip")
          left.push_back(dependency->second);
    }
    return {found.begin(), found.end()};
  }

  void write(const std::vector<PackageIndices>& groups, const LayerWritten& written) {
    const bool compiles = needs_compiler(groups);
    std::vector<std::size_t> wanted;
    for (const PackageIndices& group : groups) wanted.insert(wanted.end(), group.begin(), group.end());
    std::vector<std::size_t> interpreter;
    std::optional<fs::path> interpreter_tree;
    if (compiles) {
      interpreter = interpreter_packages();
      interpreter_tree = snapshots_.find_tree(interpreter_key(interpreter));
      if (!interpreter_tree) wanted.insert(wanted.end(), interpreter.begin(), interpreter.end());
    }
    std::ranges::sort(wanted);
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    std::erase_if(wanted, [&](std::size_t i) { return packages_[i].linked != nullptr; });
    open(wanted);

    std::optional<BytecodeCompiler> compiler;
    if (compiles) {
      CompilerSettings settings = compiler_settings();
      settings.extra_layers = [this, interpreter, interpreter_tree] {
        return std::vector<fs::path>{interpreter_tree ? *interpreter_tree : unpack_interpreter(interpreter)};
      };
      compiler.emplace(bench_, request_.step, std::move(settings));
      for (const PackageIndices& group : groups)
        for (const std::size_t i : group) {
          if (packages_[i].linked->sources.empty()) continue;
          compiler->add(
              compile_request(*packages_[i].linked, bytecode_key(i), work_.path() / concat(i, ".sources")));
        }
      compiler->close();
    }
    const auto content = [&](std::size_t group) {
      LayerEntries entries;
      LayerContent out;
      for (const std::size_t i : groups[group]) {
        std::shared_ptr<const Bytecode> bytecode;
        if (compiler && !packages_[i].linked->sources.empty())
          bytecode = std::make_shared<const Bytecode>(compiler->get(bytecode_key(i)));
        add_package(entries, *packages_[i].linked, scheme_, bytecode.get());
        out.owners.push_back(packages_[i].linked);
        out.owners.push_back(std::move(bytecode));
      }
      out.entries = std::move(entries).finish();
      return out;
    };
    write_layers(bench_, groups.size(), content, written);
    if (compiler) compiler->finish();
  }

  std::string bytecode_key(std::size_t index) const {
    return concat(packages_[index].key->hex(), '-', packages_[*python_index()].key->hex().substr(0, 16));
  }

  // The interpreter runs before there is a layer of it: from a tree of its packages, which is kept, because
  // making and removing thousands of files is what costs most here.
  std::string interpreter_key(const std::vector<std::size_t>& interpreter) const {
    std::string out = "interpreter";
    for (const std::size_t i : interpreter) out += concat(' ', packages_[i].key->hex());
    return out;
  }

  fs::path unpack_interpreter(const std::vector<std::size_t>& interpreter) {
    const fs::path tree = work_.path() / "interpreter";
    make_directories(tree);
    for (const std::size_t i : interpreter) unpack(*packages_[i].linked, tree);
    return snapshots_.keep_tree(interpreter_key(interpreter), tree);
  }

  CompilerSettings compiler_settings() const {
    CompilerSettings out;
    out.layers = request_.root;
    out.executable = scheme_.python();
    out.directories = {work_.path()};
    out.place = scheme_.prefix;
    out.source_time = scheme_.file_times;
    return out;
  }

  void add_post_link(const InstallOrder& order, std::vector<oci::Layer>& layers) const {
    std::vector<PostLinkScript> scripts;
    for (const std::size_t i : order.packages) {
      const std::string script = post_link_script(facts_[i].name, scheme_);
      if (std::ranges::find(facts_[i].files, script, &PackageFacts::File::path) == facts_[i].files.end())
        continue;
      scripts.push_back({facts_[i].name, facts_[i].version, '/' + script,
                         concat(scheme_.prefix, "/conda-meta/", lock_.packages[i].dist(), ".json")});
    }
    if (scripts.empty()) return;
    std::vector<oci::Layer> below = request_.root;
    below.insert(below.end(), layers.begin(), layers.end());
    layers.push_back(
        run_post_link_scripts(bench_, request_.step, below, scheme_.prefix, scripts, request_.reuse));
  }

  const Workbench& bench_;
  const ExplicitLock& lock_;
  const CondaInstallation& request_;
  CondaCollector collector_;
  PackageRecords records_;
  Snapshots snapshots_;
  std::optional<UnpackAhead> ahead_;
  CondaScheme scheme_;
  TempDirectory work_;
  std::vector<Package> packages_;  // as the lock's
  std::vector<PackageFacts> facts_;
};

}  // namespace

InstalledCondaPackages install_conda_packages(const Workbench& bench, const ExplicitLock& lock,
                                              const CondaInstallation& request) {
  return Installer(bench, lock, request).install();
}

}  // namespace dash::builder
