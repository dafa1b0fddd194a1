// Whatever was built before, wherever: an incremental build comes to the image that a build without any cache
// comes to.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/collect_garbage.hpp"
#include "builder/layer_annotations.hpp"
#include "builder/steps/steps.hpp"
#include "tests/support/model_world.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <utime.h>

using namespace dash;
using namespace dash::builder;
using dash::testing::ModelApp;
using dash::testing::ModelIndex;
using dash::testing::ModelMachine;
using dash::testing::ModelWorld;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kWorlds = 3;
#else
constexpr int kWorlds = 25;
#endif
constexpr int kSequences = 20;  // in each world, one after the other

constexpr const char* kPushed = "registry.example/team/app:1";

const std::string& lock_of(const BuildReport& report) {
  for (const auto& [key, record] : report.records)
    if (record.step == kPythonPackagesStep) return record.facts.at(kLockFact);
  throw std::logic_error("the build has no lock");
}

// The text from a little before where it is another one.
std::string difference(std::string_view text, std::string_view other) {
  const auto at = std::ranges::mismatch(text, other).in1 - text.begin();
  const auto start = static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, at - 200));
  return concat("\n  …", text.substr(start, 500), "\n  …", other.substr(std::min(start, other.size()), 500),
                '\n');
}

// The steps whose layers differ, or else the documents.
std::string differences(ModelMachine& machine, const BuildReport& one, ModelMachine& other_machine,
                        const BuildReport& other) {
  std::string out;
  for (std::size_t i = 0; i < one.steps.size() && i < other.steps.size(); ++i)
    if (one.steps[i].layers != other.steps[i].layers)
      out += concat(one.steps[i].plan.step, " (", to_string(one.steps[i].plan.decision), ": ",
                    one.steps[i].plan.reason, ") ");
  if (!out.empty()) return out;
  for (const auto document : {&BuildReport::config, &BuildReport::image}) {
    const auto limit = oci::kMaxDocumentSize;
    const auto text = machine.store().layout().read(one.*document, limit);
    const auto other_text = other_machine.store().layout().read(other.*document, limit);
    if (text != other_text) return difference(text, other_text);
  }
  return "its digest alone";
}

class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) {
    for (const auto* name : {"alpha", "beta", "gamma", "delta", "epsilon", "pip"})
      world_.index.publish(name, {});
    world_.index.publish("heavy", {.size = 160'000});
    world_.index.publish("tall", {.dependencies = {"alpha", "small"}});
    world_.index.publish("small", {});
    world_.index.publish("compiled", {.dependencies = {"small"}, .kind = ModelIndex::Package::Kind::source});
    for (const auto& name : world_.index.names()) world_.index.publish(name);
    app_.requirements = {{"alpha", ""}, {"heavy", "==1.1"}, {"tall", ""}};
    past_.push_back(app_);
  }

  // What was done in this world so far, for messages.
  const std::string& story() const { return story_; }

  // Edits with builds in between; the last build is compared. Returns what is wrong, or nothing.
  std::string sequence() {
    story_ += "\n  ";
    const auto edits = 3 + below(2);
    for (std::size_t i = 0; i < edits; ++i) {
      edit();
      if (i + 1 < edits && below(3) == 0) build();
    }
    const auto incremental = build();
    past_.push_back(app_);

    ModelMachine empty(world_);
    auto request = empty.request(app_);
    request.cache = BuildRequest::Cache::ignore;
    request.locked = lock_of(incremental);
    request.locked_place = "the lock";
    const auto clean = empty.build(app_, request);
    if (clean.image.digest != incremental.image.digest)
      return concat("the incremental build differs in ", differences(*machine_, incremental, empty, clean));
    return "";
  }

  // What is wrong with the store after all that.
  std::vector<std::string> faults() { return machine_->store().layout().validate(); }

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }
  template <class List>
  const auto& one_of(const List& list) {
    return *std::next(std::begin(list), static_cast<std::ptrdiff_t>(below(std::size(list))));
  }
  void note(std::string_view text) { story_ += concat(text, "; "); }

  BuildReport build() {
    world_.write(app_);
    auto request = machine_->request(app_);
    request.cache_from = cache_from_;
    request.upgrade = std::exchange(upgrade_, {});
    note("build");
    auto report = machine_->build(app_, request);
    world_.registry.push(machine_->store(), report.image, kPushed);
    return report;
  }

  void edit() {
    struct Edit {
      std::string_view name;
      void (Life::*apply)();
    };
    static constexpr std::array kEdits = {Edit{"source", &Life::change_source},
                                          Edit{"source", &Life::change_source},
                                          Edit{"file", &Life::add_or_remove_file},
                                          Edit{"touch", &Life::touch},
                                          Edit{"mode", &Life::change_mode},
                                          Edit{"comment", &Life::comment},
                                          Edit{"pin", &Life::pin},
                                          Edit{"pin", &Life::pin},
                                          Edit{"package", &Life::toggle_package},
                                          Edit{"package", &Life::toggle_package},
                                          Edit{"release", &Life::release},
                                          Edit{"release", &Life::release},
                                          Edit{"apt", &Life::toggle_apt},
                                          Edit{"deb", &Life::change_deb},
                                          Edit{"predeploy", &Life::change_predeploy},
                                          Edit{"procfile", &Life::change_procfile},
                                          Edit{"env", &Life::change_environment},
                                          Edit{"compression", &Life::change_compression},
                                          Edit{"layers", &Life::change_layers},
                                          Edit{"base", &Life::change_base},
                                          Edit{"epoch", &Life::change_epoch},
                                          Edit{"hook", &Life::toggle_hook},
                                          Edit{"slugignore", &Life::change_ignore},
                                          Edit{"name", &Life::change_name},
                                          Edit{"upgrade", &Life::ask_upgrade},
                                          Edit{"gc", &Life::collect},
                                          Edit{"lost", &Life::lose_layer},
                                          Edit{"other store", &Life::move},
                                          Edit{"killed", &Life::interrupt},
                                          Edit{"back", &Life::go_back}};
    const auto& chosen = one_of(kEdits);
    note(chosen.name);
    (this->*chosen.apply)();
  }

  // Of the same length and just after the last build: times and sizes must not be trusted for it.
  void change_source() { app_.files["app.py"].content = concat("server = ", below(9)); }
  void add_or_remove_file() {
    const auto path = concat("pages/", one_of(std::array{"a", "b", "deep/c"}), ".py");
    if (app_.files.erase(path) == 0) app_.files[path] = {concat("page ", below(3))};
  }
  void touch() {
    world_.write(app_);
    ::utime((world_.app() / "app.py").c_str(), nullptr);
  }
  void change_mode() { app_.files["app.py"].mode ^= 0111; }
  void comment() { app_.requirements_comment = concat("# ", below(4), '\n'); }
  void pin() {
    if (app_.requirements.empty()) return;
    auto& [name, limit] =
        *std::next(app_.requirements.begin(), static_cast<std::ptrdiff_t>(below(app_.requirements.size())));
    const auto version = dash::testing::version_text(
        1 + static_cast<int>(below(static_cast<std::size_t>(world_.index.newest(name)))));
    limit = one_of(
        std::array{std::string(), "==" + version, "==" + version, ">=" + version, std::string("<1.3")});
  }
  void toggle_package() {
    const auto name = one_of(world_.index.names());
    if (app_.requirements.erase(name) == 0) app_.requirements[name] = "";
  }
  void release() { world_.index.publish(one_of(world_.index.names())); }
  void toggle_apt() {
    const std::string name = one_of(std::array{"libmodel-dev", "libmodel-dev", "graphviz", "python3-next"});
    if (std::erase(app_.apt_packages, name) == 0) app_.apt_packages.push_back(name);
  }
  void change_deb() {
    if (below(3) == 0)
      app_.files.erase("dpkg-packages/tool.deb");
    else
      app_.files["dpkg-packages/tool.deb"] = {concat("!<arch>\ndeb ", below(4))};
  }
  void change_predeploy() { app_.predeploy = one_of(std::array{"", "./migrate", "./migrate --all"}); }
  void change_procfile() {
    app_.files["Procfile"].content = concat("web: gunicorn app:server --workers ", below(5));
  }
  void change_environment() {
    if (below(3) == 0)
      app_.environment.clear();
    else
      app_.environment = {{one_of(std::array{"MODE", "PORT"}), std::to_string(below(3))}};
  }
  void change_compression() { app_.compression = one_of(std::array{"zstd", "zstd:1", "gzip", "none"}); }
  void change_layers() {
    app_.package_layers = one_of(std::array{std::size_t{2}, std::size_t{5}, LayerLimits().layers});
  }
  void change_base() { app_.base = one_of(ModelWorld::bases()); }
  void change_epoch() { app_.epoch = 315532800 + static_cast<std::int64_t>(below(2)); }
  void toggle_hook() {
    const auto path = concat("bin/", one_of(std::array{"pre_compile", "post_compile"}));
    if (app_.files.erase(path) == 0) app_.files[path] = {"#!/bin/sh\n", 0755};
  }
  void change_ignore() {
    if (app_.files.erase(".slugignore") == 0)
      app_.files[".slugignore"] = {concat("pages/", one_of(std::array{"a.py", "deep", "*"}), '\n')};
  }
  void change_name() { app_.name = one_of(std::array{"shop", "sales"}); }
  void ask_upgrade() {
    if (below(2) == 0)
      upgrade_.all = Upgrade::All::yes;
    else
      upgrade_.packages = {one_of(world_.index.names())};
  }
  void collect() { static_cast<void>(collect_garbage(machine_->store(), {}, {})); }
  // A blob of the layout, or all wheels.
  void lose_layer() {
    auto& layout = machine_->store().layout();
    const auto index = layout.index().manifests;
    if (index.empty() || below(3) == 0) return remove_tree(machine_->store().packages());
    const auto layers = layout.load(one_of(index)).manifest.layers;
    const auto digest = one_of(layers).digest;
    fs::remove(layout.blob_path(digest));
    // Images that nobody builds again stay without it.
    for (const auto& entry : index) {
      const auto blobs = layout.load(entry).manifest.layers;
      if (std::ranges::any_of(blobs, [&](const auto& blob) { return blob.digest == digest; }))
        layout.untag(entry.annotations.at(oci::annotation::kRefName));
    }
  }
  // To a machine that knows nothing but the image in the registry, or not even that.
  void move() {
    machine_ = std::make_unique<ModelMachine>(world_);
    cache_from_.clear();
    if (below(4) > 0 && world_.registry.names.contains(kPushed))
      cache_from_ = {{oci::Reference::parse(kPushed),
                      one_of(std::array{CacheSource::Kind::asked_for, CacheSource::Kind::previous})}};
  }
  void interrupt() {
    machine_->sandbox().stop_after(static_cast<int>(below(4)));
    try {
      build();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::canceled) throw;
      note("killed");
    }
    machine_->sandbox().go_on();
  }
  void go_back() { app_ = one_of(past_); }

  std::mt19937_64 random_;
  ModelWorld world_;
  std::unique_ptr<ModelMachine> machine_ = std::make_unique<ModelMachine>(world_);
  ModelApp app_;
  std::vector<ModelApp> past_;
  Upgrade upgrade_;
  std::vector<CacheSource> cache_from_;
  std::string story_;
};

}  // namespace

TEST_CASE("an incremental build is a build without cache: 500 random sequences of edits") {
  for (std::uint64_t seed = 1; seed <= kWorlds; ++seed) {
    Life life(seed);
    for (int i = 0; i < kSequences; ++i) {
      std::string wrong;
      try {
        wrong = life.sequence();
      } catch (const Error& error) {
        wrong = render(error);
      }
      if (!wrong.empty()) FAIL("seed " << seed << ", sequence " << i << ": " << wrong << life.story());
    }
    INFO("seed " << seed << life.story());
    CHECK(life.faults().empty());
  }
}
