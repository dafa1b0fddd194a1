#include "builder/python/package_installer.hpp"

#include "base/text.hpp"
#include "builder/eviction.hpp"
#include "builder/layer_annotations.hpp"
#include "builder/package_name.hpp"
#include "builder/python/arrange_packages.hpp"
#include "builder/python/environment_layer.hpp"
#include "builder/python/package_facts.hpp"
#include "builder/step_record.hpp"

#include <algorithm>
#include <future>
#include <optional>

namespace dash::builder {
namespace {

// Part of keys: changes when the same wheel would give another layer or other facts.
constexpr const char* kRecipe = "package 1";
constexpr const char* kPurpose = "downloading and installing the packages";

class Installer {
 public:
  Installer(const Workbench& bench, const Lock& lock, WheelCollector& wheels,
            const PackageInstallation& request)
      : bench_(bench),
        lock_(lock),
        wheels_(wheels),
        request_(request),
        package_records_(bench.store),
        layer_records_(bench.store, kLayerRecords),
        packages_(lock.packages.size()) {
    if (request.pyc_files == PycFiles::compile)
      compiler_.emplace(bench, request.step, request.root, request.scheme);
  }
  // The tasks refer to the object.
  ~Installer() {
    for (Package& package : packages_)
      if (package.planned.valid()) package.planned.wait();
  }
  Installer(const Installer&) = delete;
  Installer& operator=(const Installer&) = delete;

  InstalledPackages install() {
    const std::vector<PackageFacts> facts = learn();
    std::vector<std::string> environment;
    if (request_.environment == PackageInstallation::Environment::layer)
      environment = environment_files(request_.scheme);
    const Arrangement arrangement = arrange_packages(facts, environment, request_.limits);
    for (const std::string& warning : arrangement.warnings) bench_.warn(request_.step, warning);

    InstalledPackages out;
    if (!environment.empty()) out.layers.push_back(write_environment_layer(bench_, request_.scheme));
    for (oci::Layer& layer : make_layers(arrangement.layers, facts)) out.layers.push_back(std::move(layer));
    for (const PackageFacts& package : facts) out.packages.push_back({package.name, package.version});
    std::ranges::sort(out.packages, {}, [](const InstalledPackages::Package& package) {
      return normal_package_name(package.name);
    });
    return out;
  }

 private:
  struct Planned {
    InstalledDistribution distribution;
    PackageFacts facts;
    enum class Compiling { no, yes } compiling = Compiling::no;
  };
  struct Package {
    std::optional<StepKey> key;  // known as soon as the wheel's digest is
    std::future<Planned> planned;
    std::optional<Planned> plan;
    std::size_t arrival = 0;  // when its wheel came: the order in which modules are compiled
  };
  struct Group {
    std::vector<std::size_t> packages;
    StepInputs inputs;
    std::optional<oci::Layer> layer;
  };
  // Why wheels are got: to find out about the package, or to write it.
  enum class Purpose { facts, layer };

  StepKey package_key(std::size_t index, const LocalWheel& wheel) const {
    StepInputs out;
    out.add("recipe", kRecipe);
    out.add("wheel", to_hex(wheel.sha256));
    out.add("file", wheel.path.filename().string());
    out.add("interpreter", request_.scheme.interpreter.identity());
    out.add("prefix", request_.scheme.prefix);
    out.add("requested", is_requested(index, wheel) ? "yes" : "no");
    out.add_content("direct_url.json", wheel.direct_url);
    out.add("bytecode", request_.pyc_files == PycFiles::compile ? "compiled" : "omitted");
    return out.key("package");
  }

  bool is_requested(std::size_t index, const LocalWheel& wheel) const {
    return !wheel.direct_url.empty() ||
           std::ranges::binary_search(request_.requested, lock_.packages[index].name, {},
                                      &RequestedPackage::name);
  }

  // The facts of all packages, of those without a record from their wheels.
  std::vector<PackageFacts> learn() {
    std::vector<std::optional<PackageFacts>> facts(packages_.size());
    std::vector<std::size_t> unknown;
    for (std::size_t i = 0; i < packages_.size(); ++i) {
      if (const auto wheel = wheels_.known(i)) packages_[i].key = package_key(i, *wheel);
      if (packages_[i].key && request_.reuse == PackageInstallation::Reuse::yes)
        facts[i] = package_records_.find(*packages_[i].key);
      if (!facts[i]) unknown.push_back(i);
    }
    get(unknown, Purpose::facts);
    std::vector<PackageFacts> out;
    for (std::size_t i = 0; i < packages_.size(); ++i)
      out.push_back(facts[i] ? std::move(*facts[i]) : packages_[i].plan.value().facts);
    return out;
  }

  // Gets wheels and plans their installation as they come; their modules are compiled meanwhile.
  void get(const std::vector<std::size_t>& indices, Purpose purpose) {
    if (indices.empty()) return;
    require_room(bench_.store, space_for(indices), kPurpose, bench_.stop);
    wheels_.collect(indices, [this, purpose](std::size_t index, LocalWheel wheel) {
      Package& package = packages_[index];
      package.key = package_key(index, wheel);
      package.arrival = ++arrivals_;
      package.planned =
          bench_.pool.submit([this, index, purpose, key = *package.key, wheel = std::move(wheel)] {
            return plan(index, wheel, key, purpose);
          });
    });
    for (const std::size_t i : indices) packages_[i].plan = packages_[i].planned.get();
  }

  Planned plan(std::size_t index, const LocalWheel& local, const StepKey& key, Purpose purpose) {
    InstallOptions options{request_.scheme, InstallOptions::Requested::no, local.direct_url};
    if (is_requested(index, local)) options.requested = InstallOptions::Requested::yes;
    Planned out;
    out.distribution = plan_installation(std::make_shared<const Wheel>(local.path), local.sha256, options);
    out.facts = package_facts(out.distribution, request_.pyc_files);
    const bool known = request_.reuse == PackageInstallation::Reuse::yes && package_records_.find(key);
    // What is known has a layer, probably.
    if (purpose == Purpose::layer || !known) compile(out);
    if (!known) package_records_.save(key, out.facts);
    return out;
  }

  void compile(Planned& planned) {
    if (compiler_ && planned.compiling == Planned::Compiling::no) compiler_->add(planned.distribution);
    planned.compiling = Planned::Compiling::yes;
  }

  // Each package is kept as it is downloaded, and again in the layer. Sizes that are not known count nothing.
  DiskSpace space_for(const std::vector<std::size_t>& indices) const {
    DiskSpace out{0, 2 * indices.size()};
    for (const std::size_t i : indices) {
      std::uint64_t smallest = 0;
      for (const LockedFile& wheel : lock_.packages[i].wheels)
        if (smallest == 0 || wheel.size.value_or(smallest) < smallest) smallest = wheel.size.value_or(0);
      out.bytes += 2 * smallest;
    }
    return out;
  }

  std::vector<oci::Layer> make_layers(const std::vector<std::vector<std::size_t>>& arrangement,
                                      const std::vector<PackageFacts>& facts) {
    std::vector<Group> groups;
    std::vector<std::size_t> missing;
    DiskSpace space;
    for (const auto& packages : arrangement) {
      Group& group = groups.emplace_back(Group{packages, layer_inputs(packages, facts), {}});
      if (request_.reuse == PackageInstallation::Reuse::yes)
        if (const auto record = layer_records_.find(group.inputs.key("layer"));
            record && record->layers.size() == 1)
          group.layer = record->layers.front();
      if (group.layer) continue;
      missing.push_back(groups.size() - 1);
      ++space.inodes;
      for (const std::size_t i : packages) space.bytes += facts[i].weight;
    }
    bench_.log(request_.step,
               concat("Installing ", facts.size(), facts.size() == 1 ? " package in " : " packages in ",
                      groups.size(), groups.size() == 1 ? " layer, " : " layers, ",
                      groups.size() - missing.size(), " of them known"));
    require_room(bench_.store, space, kPurpose, bench_.stop);
    write(groups, missing);

    std::vector<oci::Layer> out;
    for (Group& group : groups) {
      std::vector<std::string> titles;
      for (const std::size_t i : group.packages) titles.push_back(title(facts[i]));
      group.layer->blob.annotations[kPackagesAnnotation] = package_list(std::move(titles));
      group.layer->blob.annotations[kLayerKeyAnnotation] = group.inputs.key("layer").hex();
      out.push_back(std::move(*group.layer));
    }
    return out;
  }

  static std::string title(const PackageFacts& package) { return concat(package.name, ' ', package.version); }

  StepInputs layer_inputs(const std::vector<std::size_t>& packages,
                          const std::vector<PackageFacts>& facts) const {
    StepInputs out;
    out.add("compression", bench_.compression.identity());
    out.add("times", std::to_string(bench_.host.source_date_epoch));
    for (const std::size_t i : packages) out.add(title(facts[i]), packages_[i].key->hex());
    return out;
  }

  void write(std::vector<Group>& groups, std::vector<std::size_t> missing) {
    std::vector<std::size_t> wanted;
    for (const std::size_t group : missing)
      for (const std::size_t i : groups[group].packages) {
        if (packages_[i].plan)
          compile(*packages_[i].plan);
        else
          wanted.push_back(i);
      }
    get(wanted, Purpose::layer);
    if (compiler_) compiler_->close();

    // In the order in which modules are compiled, so that no writer waits for long.
    std::ranges::sort(missing, {}, [&](std::size_t group) {
      std::size_t last = 0;
      for (const std::size_t i : groups[group].packages) last = std::max(last, packages_[i].arrival);
      return last;
    });
    std::vector<PackageGroup> contents;
    for (const std::size_t group : missing) {
      PackageGroup& content = contents.emplace_back();
      for (const std::size_t i : groups[group].packages) content.push_back(&packages_[i].plan->distribution);
    }
    BytecodeSource bytecode;
    if (compiler_)
      bytecode = [this](const InstalledDistribution& distribution) { return compiler_->get(distribution); };
    write_package_layers(bench_, request_.scheme, contents, bytecode,
                         [&](std::size_t i, const oci::Layer& layer) {
                           Group& group = groups[missing[i]];
                           group.layer = layer;
                           layer_records_.save(group.inputs.key("layer"),
                                               {request_.step, group.inputs.leaves(), {layer}, {}, 0});
                         });
    if (compiler_) compiler_->finish();
  }

  const Workbench& bench_;
  const Lock& lock_;
  WheelCollector& wheels_;
  const PackageInstallation& request_;
  PackageRecords package_records_;
  StepRecords layer_records_;
  std::vector<Package> packages_;  // as the lock's
  std::size_t arrivals_ = 0;
  std::optional<BytecodeCompiler> compiler_;
};

}  // namespace

InstalledPackages install_packages(const Workbench& bench, const Lock& lock, WheelCollector& wheels,
                                   const PackageInstallation& request) {
  return Installer(bench, lock, wheels, request).install();
}

}  // namespace dash::builder
