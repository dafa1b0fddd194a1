// Every leaf of every step's key matters: when it alone is another one, the step's result is not taken.
#include "base/text.hpp"
#include "builder/steps/steps.hpp"
#include "oci/layer_writer.hpp"
#include "tests/support/model_world.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::ModelApp;
using dash::testing::ModelMachine;
using dash::testing::ModelWorld;

namespace {

using Leaves = std::vector<Leaf>;

// Names of leaves that are in one list only, or with another value, in any order.
std::vector<std::string> changed(const Leaves& one, const Leaves& other) {
  std::multiset<std::pair<std::string, std::string>> left, right;
  for (const auto& leaf : one) left.emplace(leaf.name, leaf.value);
  for (const auto& leaf : other) right.emplace(leaf.name, leaf.value);
  std::set<std::string> out;
  for (const auto& leaf : left)
    if (!right.contains(leaf)) out.insert(leaf.first);
  for (const auto& leaf : right)
    if (!left.contains(leaf)) out.insert(leaf.first);
  return {out.begin(), out.end()};
}

// An app that has every step, and every kind of input, all of them done by an earlier build.
class Built {
 public:
  Built() {
    app.files["app.json"] = {R"({"scripts": {"dokku": {"predeploy": "./migrate"}}})"};
    app.files["manage.py"] = {"import django"};
    app.files["nltk.txt"] = {"stopwords\n"};
    app.files["runtime.txt"] = {"python-3.13.1\n"};
    app.files["bin/pre_compile"] = app.files["bin/post_compile"] = {"#!/bin/sh\n", 0755};
    app.files["dpkg-packages/tool.deb"] = {"!<arch>\none"};
    app.files["apt-env"] = {"export A=1\n"};
    app.files["more.txt"] = {"beta\n"};
    app.files["limits.txt"] = {"alpha<3\n"};
    app.files["local/pyproject.toml"] = {"[project]\nname = 'local'\n"};
    app.files["wheels/w-1-py3-none-any.whl"] = {"wheel"};
    app.requirements = {{"alpha", ""}};
    app.requirements_comment =
        "-r more.txt\n-c limits.txt\n./local\n./wheels/w-1-py3-none-any.whl\n--only-binary alpha\n"
        "secret @ https://me:${PASSWORD}@index.example/${TOKEN}/secret-1-py3-none-any.whl\n";
    app.apt_packages = {"graphviz"};
    app.environment = {{"MODE", "1"}};
    app.package_layers = 5;
    limits = world.app().parent_path() / "machine-limits.txt";
    write_file(limits, "beta<9\n");
    machine.host().variables["TOKEN"] = "one";
    machine.host().variables["PASSWORD"] = "no leaf";  // who fetches makes no difference
    machine.host().index_settings = {{"PIP_INDEX_URL", "https://index.example/simple/"},
                                     {"PIP_REQUIRE_HASHES", ""},
                                     {"PIP_NO_DEPS", "1"},
                                     {"PIP_CONSTRAINT", limits.string()}};
    runtime.version = "3.13.1";
    runtime.location = "https://files.example/python.tar.gz";
    runtime.sha256 = sha256("archive");
    fill("");
  }

  // What is asked for; edits change these.
  ModelWorld world;
  ModelMachine machine{world};
  ModelApp app;
  fs::path limits;
  RuntimeArchive runtime;
  IndexStrategy index_strategy = IndexStrategy::unsafe_best_match;
  PycFiles pyc_files = PycFiles::omit;
  std::string base;  // instead of the app's

  BuildRequest request() {
    auto out = machine.request(app);
    out.runtimes = {runtime};
    out.index_strategy = index_strategy;
    out.pyc_files = pyc_files;
    if (!base.empty()) out.base = base == "default" ? "" : base;
    return out;
  }

  // Makes what is missing below `end` (all of it when that is no step), with layers that are always the same.
  void fill(std::string_view end) {
    world.write(app);
    const auto bench = machine.bench(app);
    const auto asked = request();
    const auto list = make_steps(bench, asked);
    StepRecords records(machine.store());
    ImageState state;
    for (const auto& step : list.steps) {
      if (step->skip_reason(state)) continue;
      step->prepare(state);
      if (step->name() == end) return;
      const auto inputs = step->inputs(state);
      const auto key = inputs.key(step->name());
      auto record = records.find(key, step->variant(state));
      if (!record) {
        record = made(*step, inputs, state, asked);
        records.save(key, *record);
      }
      if (end.empty()) records.remember(asked.name.to_string(), step->name(), key);
      state.parts.push_back({step->name(), record->layers});
      state.keys[step->name()] = key.hex();
      state.facts[step->name()] = record->facts;
    }
  }

  // The step's result is replaced by another one, under the same key.
  void other_result(const std::string& step) {
    StepRecords records(machine.store());
    auto record = last(step);
    record.layers = {layer("another " + step)};
    records.save(key_of(record), record);
  }

  // The earlier build was made by a program that knew another value of a leaf.
  void other_program(const std::string& step, const std::string& leaf) {
    StepRecords records(machine.store());
    auto record = last(step);
    fs::remove(machine.store().records() / kStepRecords / (key_of(record).hex() + ".json"));
    for (auto& known : record.leaves)
      if (known.name == leaf) known.value += " of another program";
    records.save(key_of(record), record);
    records.remember(request().name.to_string(), step, key_of(record));
  }

  StepRecord last(const std::string& step) {
    auto record = StepRecords(machine.store()).last(request().name.to_string(), step);
    REQUIRE(record);
    return *record;
  }

  std::map<std::string, PlannedStep> plan() {
    world.write(app);
    std::map<std::string, PlannedStep> out;
    for (auto& step : plan_build(machine.bench(app), request())) {
      const auto name = step.step;
      out.emplace(name, std::move(step));
    }
    return out;
  }

 private:
  static StepKey key_of(const StepRecord& record) {
    StepInputs inputs;
    for (const auto& leaf : record.leaves) inputs.add(leaf.name, leaf.value);
    return inputs.key(record.step);
  }

  static std::string locked(const std::string& name) {
    return concat("[[packages]]\nname = \"", name,
                  "\"\nversion = \"1\"\nsdist = { url = \"https://index.example/", name, "-1.tar.gz\" }\n");
  }

  oci::Layer layer(const std::string& content) {
    oci::LayerWriter writer({machine.store().layers(), world.pool, {}, 0});
    oci::TarEntry entry;
    entry.path = "srv";
    entry.size = content.size();
    writer.add(std::move(entry), as_bytes(content));
    return writer.finish();
  }

  StepRecord made(Step& step, const StepInputs& inputs, const ImageState& state, const BuildRequest& asked) {
    StepRecord out{step.name(), inputs.leaves(), {}, {}, 1};
    if (step.name() == kBaseStep && !asked.base.empty()) {
      auto result = step.run(state);
      out.layers = std::move(result.layers);
      out.facts = std::move(result.facts);
      return out;
    }
    out.layers = {layer(step.name())};
    if (step.name() == kBaseStep)
      out.facts = {{"config", oci::ImageConfig().to_json()}, {"digest", "sha256:1"}};
    if (step.name() == kPythonPackagesStep)
      out.facts[kLockFact] = concat("lock-version = \"1.0\"\n", locked("django"), locked("nltk"));
    return out;
  }
};

struct Row {
  std::string step;
  std::string leaf;
  std::function<void(Built&)> edit;
};

std::vector<Row> rows() {
  std::vector<Row> out;
  const auto file = [](const std::string& path, const std::string& content) {
    return [=](Built& built) { built.app.files[path].content = content; };
  };
  const auto setting = [](const std::string& name, const std::string& value) {
    return [=](Built& built) { built.machine.host().index_settings[name] = value; };
  };
  const auto add = [&](const std::string& step, const std::string& leaf, std::function<void(Built&)> edit) {
    out.push_back({step, leaf, std::move(edit)});
  };
  const auto constant = [&](const std::string& step, const std::string& leaf) {
    add(step, leaf, [=](Built& built) { built.other_program(step, leaf); });
  };
  const auto result_of = [&](const std::string& step, const std::string& leaf) {
    add(step, leaf, [=](Built& built) { built.other_result(leaf); });
  };
  const std::vector<std::string> all = {
      kLauncherStep,       kSystemPackagesStep, kPythonRuntimeStep, kAppStep,         kPreCompileStep,
      kPythonPackagesStep, kNltkStep,           kCollectstaticStep, kPostCompileStep, kPredeployStep};
  for (const auto& step : all) {
    add(step, "compression", [](Built& built) { built.app.compression = "gzip"; });
    add(step, "time", [](Built& built) { built.app.epoch += 1; });
    constant(step, step == kLauncherStep ? "launcher" : "recipe");
  }

  add(kBaseStep, "manifest", [](Built& built) { built.app.base = "newer"; });
  for (const auto* step : {kLauncherStep, kSystemPackagesStep}) result_of(step, kBaseStep);

  add(kSystemPackagesStep, "apt-packages", [](Built& built) { built.app.apt_packages = {"libmodel-dev"}; });
  add(kSystemPackagesStep, "apt-env", file("apt-env", "export A=2\n"));
  add(kSystemPackagesStep, "dpkg-packages/tool.deb", file("dpkg-packages/tool.deb", "!<arch>\nanother"));
  add(kSystemPackagesStep, "package layers", [](Built& built) { built.app.package_layers = 4; });

  add(kPythonRuntimeStep, "archive", [](Built& built) { built.runtime.sha256 = sha256("another archive"); });
  add(kPythonRuntimeStep, "version", [](Built& built) {
    built.app.files["runtime.txt"].content = "python-3.13\n";
    built.runtime.version = "3.13.2";
  });

  add(kAppStep, "source", file("app.py", "another server"));

  add(kPythonPackagesStep, "requirements.txt",
      [](Built& built) { built.app.requirements["alpha"] = "==1.1"; });
  add(kPythonPackagesStep, "more.txt", file("more.txt", "beta==1.1\n"));
  add(kPythonPackagesStep, "limits.txt", file("limits.txt", "alpha<2\n"));
  add(kPythonPackagesStep, "local/", file("local/local.py", "VERSION = 2\n"));
  add(kPythonPackagesStep, "wheels/w-1-py3-none-any.whl", file("wheels/w-1-py3-none-any.whl", "another"));
  add(kPythonPackagesStep, "UV_DEFAULT_INDEX", setting("PIP_INDEX_URL", "https://other.example/simple/"));
  add(kPythonPackagesStep, "option", setting("PIP_NO_BINARY", "beta"));
  add(kPythonPackagesStep, "option", setting("PIP_NO_DEPS", "0"));
  add(kPythonPackagesStep, "option", setting("PIP_NO_INDEX", "1"));
  add(kPythonPackagesStep, "hashes", setting("PIP_REQUIRE_HASHES", "1"));
  add(kPythonPackagesStep, "machine-limits.txt:1",
      [](Built& built) { write_file(built.limits, "beta<8\n"); });
  add(kPythonPackagesStep, "${TOKEN}", [](Built& built) { built.machine.host().variables["TOKEN"] = "two"; });
  add(kPythonPackagesStep, "index strategy",
      [](Built& built) { built.index_strategy = IndexStrategy::first_index; });
  add(kPythonPackagesStep, "bytecode", [](Built& built) { built.pyc_files = PycFiles::compile; });
  add(kPythonPackagesStep, "package layers", [](Built& built) { built.app.package_layers = 4; });
  add(kPythonPackagesStep, "uv", [](Built& built) { write_file(built.world.uv(), "another uv", 0755); });
  add(kPythonPackagesStep, "interpreter", [](Built& built) { built.app.base = "python"; });
  constant(kPythonPackagesStep, "prefix");
  for (const auto* step : {kPythonRuntimeStep, kPreCompileStep}) result_of(kPythonPackagesStep, step);

  add(kPredeployStep, "predeploy", file("app.json", R"({"scripts": {"dokku": {"predeploy": "./other"}}})"));
  add(kNltkStep, "command", file("nltk.txt", "punkt\n"));
  add(kCollectstaticStep, "command", [](Built& built) {
    built.app.files["web/manage.py"] = built.app.files["manage.py"];
    built.app.files.erase("manage.py");
  });
  for (const auto* step : {kPreCompileStep, kPostCompileStep}) constant(step, "command");
  // Commands of the app see the image below them, step by step, and its variables.
  const std::vector<std::string> commands = {kPreCompileStep, kNltkStep, kCollectstaticStep, kPostCompileStep,
                                             kPredeployStep};
  for (const auto& step : commands) {
    add(step, "--env MODE", [](Built& built) { built.app.environment = {{"MODE", "2"}}; });
    add(step, "--env MORE", [](Built& built) { built.app.environment.emplace_back("MORE", "1"); });
    add(step, "variables of the base image", [](Built& built) { built.app.base = "settings"; });
    std::vector<std::string> below = {kBaseStep};
    below.insert(below.end(), all.begin(), all.end());
    for (const auto& under : below) {
      if (under == step) break;
      result_of(step, under);
    }
  }
  return out;
}

// Constraints stand under the name of their file, which is somewhere on the machine.
std::string short_name(const Built& built, std::string name) {
  const auto directory = built.limits.parent_path().string() + '/';
  return name.starts_with(directory) ? name.substr(directory.size()) : name;
}

Leaves leaves_of(const Built& built, const PlannedStep& step) {
  Leaves out;
  for (const auto& input : step.inputs) out.push_back({short_name(built, input.name), input.value});
  return out;
}

Leaves leaves_of(const Built& built, const StepRecord& record) {
  auto out = record.leaves;
  for (auto& leaf : out) leaf.name = short_name(built, leaf.name);
  return out;
}

}  // namespace

TEST_CASE("keys: the app of this test has every step, and all of them are reused") {
  Built built;
  const auto plan = built.plan();
  for (const auto* step :
       {kBaseStep, kLauncherStep, kSystemPackagesStep, kPythonRuntimeStep, kPreCompileStep,
        kPythonPackagesStep, kAppStep, kNltkStep, kCollectstaticStep, kPostCompileStep, kPredeployStep}) {
    INFO(step);
    REQUIRE(plan.contains(step));
    CHECK(plan.at(step).decision == Decision::reuse);
  }
  CHECK(plan.size() == 11);
}

TEST_CASE("keys: a step is not reused when a leaf alone changes, whichever it is") {
  std::map<std::string, std::set<std::string>> covered;
  for (const auto& row : rows()) {
    covered[row.step].insert(row.leaf);
    INFO(row.step << ": " << row.leaf);
    Built built;
    row.edit(built);
    built.fill(row.step);
    const auto plan = built.plan();
    const auto before = leaves_of(built, built.last(row.step)), now = leaves_of(built, plan.at(row.step));
    CHECK(changed(before, now) == std::vector<std::string>{row.leaf});
    CHECK(plan.at(row.step).decision != Decision::reuse);
    CHECK_THAT(plan.at(row.step).reason, Catch::Contains(row.leaf.substr(0, row.leaf.find(':'))));
  }
  Built built;
  for (const auto& [name, step] : built.plan())
    for (const auto& leaf : leaves_of(built, step)) {
      INFO("no row changes the leaf " << leaf.name << " of " << name);
      CHECK(covered[name].contains(leaf.name));
    }
}

TEST_CASE("keys: the default base image has leaves of its own") {
  const std::map<std::string, std::function<void(Built&)>> edits = {
      {"compression", [](Built& built) { built.app.compression = "gzip"; }},
      {"architecture", [](Built& built) { built.machine.host().debian_architecture = "arm64"; }},
      {"recipe", [](Built& built) { built.other_program(kBaseStep, "recipe"); }}};
  const auto make = [](Built& built) {
    built.base = "default";
    built.fill("");
    REQUIRE(built.plan().at(kBaseStep).decision == Decision::reuse);
  };
  for (const auto& [leaf, edit] : edits) {
    INFO(leaf);
    Built built;
    make(built);
    edit(built);
    const auto step = built.plan().at(kBaseStep);
    CHECK(step.decision != Decision::reuse);
    const auto names = changed(leaves_of(built, built.last(kBaseStep)), leaves_of(built, step));
    CHECK(std::find(names.begin(), names.end(), leaf) != names.end());
  }
  Built built;
  make(built);
  const auto plan = built.plan();
  for (const auto& leaf : plan.at(kBaseStep).inputs) CHECK(edits.contains(leaf.name));
}

TEST_CASE("keys: what was compiled is not reused over other system packages") {
  for (const bool compiled : {false, true}) {
    Built built;
    if (compiled) {
      StepRecords records(built.machine.store());
      const auto bench = built.machine.bench(built.app);
      const auto asked = built.request();
      auto record = built.last(kPythonPackagesStep);
      // The variant as the step has it over what is there.
      ImageState state;
      const auto list = make_steps(bench, asked);
      for (const auto& step : list.steps) {
        const auto inputs = step->inputs(state);
        if (step->name() == kPythonPackagesStep) {
          fs::remove(built.machine.store().records() / kStepRecords /
                     (inputs.key(step->name()).hex() + ".json"));
          record.facts[kVariantFact] = step->variant(state);
          records.save(inputs.key(step->name()), record);
          break;
        }
        const auto below = built.last(step->name());
        state.parts.push_back({step->name(), below.layers});
        state.keys[step->name()] = inputs.key(step->name()).hex();
        state.facts[step->name()] = below.facts;
      }
    }
    CHECK(built.plan().at(kPythonPackagesStep).decision == Decision::reuse);
    built.other_result(kSystemPackagesStep);
    built.fill(kPythonPackagesStep);
    CHECK((built.plan().at(kPythonPackagesStep).decision == Decision::reuse) == !compiled);
  }
}
