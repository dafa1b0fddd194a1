#include "builder/build_cache.hpp"

#include "base/text.hpp"
#include "builder/image_records.hpp"
#include "builder/layer_annotations.hpp"
#include "builder/published_cache.hpp"
#include "builder/python/probe.hpp"
#include "tests/support/fake_registry.hpp"
#include "tests/support/test_bench.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

namespace {

using dash::testing::FakeRegistry;

constexpr const char* kName = "registry.example/team/app:1";

StepKey key_of(const std::string& text) {
  StepInputs inputs;
  inputs.add("input", text);
  return inputs.key("step");
}

// A machine with a store of its own.
struct Machine : dash::testing::TestBench {
  explicit Machine(FakeRegistry& registry) { bench.registry = &registry; }

  oci::Layer layer(const std::string& content, oci::Annotations annotations = {}) {
    auto blob = store.layout().put(content, oci::media_type::kLayerTar);
    const oci::DiffId diff_id(blob.digest.value());
    blob.annotations = std::move(annotations);
    return {blob, diff_id};
  }

  // The image of a build with these steps, in the store.
  oci::Descriptor image(const std::vector<KeyedRecord>& steps) {
    oci::ImageConfig config;
    config.extensions[kRecordsExtension] = image_records_json(steps);
    std::vector<oci::Layer> layers;
    for (const auto& step : steps)
      for (auto layer : step.record.layers) {
        layer.blob.annotations[kStepAnnotation] = step.record.step;
        layers.push_back(layer);
      }
    return store.layout().store_image(config, layers);
  }
};

const PackageFacts kFacts{
    "heavy", "1.0", {"light"}, 4711, {{"app/heavy.py", "123-4", PackageFacts::File::Kind::installed}}};

// Two steps, the second with a layer made of a package.
std::vector<KeyedRecord> build_on(Machine& machine) {
  const auto package = key_of("package");
  PackageRecords(machine.store).save(package, kFacts);
  const auto layer_key = key_of("layer");
  const auto heavy =
      machine.layer("heavy", {{kPackagesAnnotation, "heavy 1.0"}, {kLayerKeyAnnotation, layer_key.hex()}});
  StepRecords(machine.store, kLayerRecords)
      .save(layer_key, {"packages", {{"heavy 1.0", package.hex()}}, {heavy}, {}, 0});
  std::vector<KeyedRecord> out = {
      {key_of("base"), {"base", {{"recipe", "1"}}, {machine.layer("base")}, {{"config", "{}"}}, 2.5}},
      {key_of("packages"), {"packages", {{"file", "sha256:1"}, {"b", "2"}}, {heavy}, {{"lock", "a\nb"}}, 7}}};
  for (const auto& [key, record] : out) StepRecords(machine.store).save(key, record);
  return out;
}

}  // namespace

TEST_CASE("promised layers come when they are opened, and only then") {
  FakeRegistry registry;
  Machine machine(registry);
  const auto blob = registry.blobs.put("content", oci::media_type::kLayerTar);
  const auto other = registry.blobs.put("other", oci::media_type::kLayerTar);
  auto& layers = machine.store.layers();
  CHECK_FALSE(layers.contains(blob.digest));
  CHECK_THROWS_AS(layers.open(blob), Error);
  const auto place = oci::Reference::parse(kName);
  layers.promise({blob, other}, place, registry);
  CHECK(layers.contains(blob.digest));
  CHECK(layers.place_of(blob.digest)->to_string() == kName);
  CHECK(registry.fetched.empty());
  CHECK(layers.read(blob, 100) == "content");
  CHECK(registry.fetched == std::vector{blob.digest});
  CHECK(machine.store.layout().contains(blob.digest));
  CHECK_FALSE(layers.place_of(blob.digest));
  layers.expect({blob, other});
  CHECK(registry.fetched == std::vector{blob.digest, other.digest});
}

TEST_CASE("an image tells another machine what its steps were") {
  FakeRegistry registry;
  Machine first(registry);
  const auto steps = build_on(first);
  registry.push(first.store, first.image(steps), kName);

  Machine second(registry);
  const auto kind = GENERATE(CacheSource::Kind::asked_for, CacheSource::Kind::previous);
  BuildCache cache(second.bench, "app", {{oci::Reference::parse(kName), kind}});
  CHECK(cache.consult());
  CHECK_FALSE(cache.consult());
  CHECK(registry.asked.size() == 1);
  const StepRecords records(second.store);
  for (const auto& [key, record] : steps) {
    const auto found = records.find(key);
    REQUIRE(found);
    CHECK(found->step == record.step);
    CHECK(found->leaves == record.leaves);
    CHECK(found->facts == record.facts);
    CHECK(found->layers == record.layers);
    CHECK(found->seconds == 0);
    CHECK(cache.source_of(record.layers.front()) == kName);
    CHECK(records.last("app", record.step).has_value() == (kind == CacheSource::Kind::previous));
  }
  CHECK(StepRecords(second.store, kLayerRecords).find(key_of("layer"))->layers == steps.back().record.layers);
  CHECK(registry.fetched.empty());
}

TEST_CASE("records that the store has stay") {
  FakeRegistry registry;
  Machine machine(registry);
  auto steps = build_on(machine);
  auto changed = steps;
  changed.front().record.facts["config"] = "other";
  registry.push(machine.store, machine.image(changed), kName);
  BuildCache cache(machine.bench, "app", {{oci::Reference::parse(kName), CacheSource::Kind::asked_for}});
  CHECK(cache.consult());
  CHECK(StepRecords(machine.store).find(steps.front().key)->facts.at("config") == "{}");
  CHECK(StepRecords(machine.store).find(steps.front().key)->seconds == 2.5);
}

TEST_CASE("images that carry no usable records are left alone") {
  FakeRegistry registry;
  Machine machine(registry);
  const auto steps = build_on(machine);
  oci::ImageConfig config;
  std::vector<oci::Layer> layers = {machine.layer("base")};
  SECTION("none at all") {}
  SECTION("another version") {
    config.extensions[kRecordsExtension] = R"({"version":99,"steps":[]})";
  }
  SECTION("layers that were changed since") {
    config.extensions[kRecordsExtension] = image_records_json(steps);
  }
  SECTION("nonsense") {
    config.extensions[kRecordsExtension] = R"({"version":1,"steps":[{"step":7}]})";
  }
  registry.push(machine.store, machine.store.layout().store_image(config, layers), kName);
  BuildCache cache(machine.bench, "app",
                   {{oci::Reference::parse(kName), CacheSource::Kind::asked_for},
                    {oci::Reference::parse("registry.example/none:1"), CacheSource::Kind::previous}});
  CHECK_FALSE(cache.consult());
}

TEST_CASE("what is published knows packages too") {
  FakeRegistry registry;
  Machine first(registry);
  const auto steps = build_on(first);
  registry.push(first.store, store_published_cache(first.bench, steps), kName);

  Machine second(registry);
  BuildCache cache(second.bench, "app", {{oci::Reference::parse(kName), CacheSource::Kind::asked_for}});
  CHECK(cache.consult());
  for (const auto& [key, record] : steps) {
    const auto found = StepRecords(second.store).find(key);
    REQUIRE(found);
    CHECK(found->leaves == record.leaves);
    CHECK(found->layers == record.layers);
  }
  const auto layer = StepRecords(second.store, kLayerRecords).find(key_of("layer"));
  REQUIRE(layer);
  CHECK(layer->leaves.size() == 1);
  const auto facts = PackageRecords(second.store).find(key_of("package"));
  REQUIRE(facts);
  CHECK(facts->weight == kFacts.weight);
  CHECK(facts->files.front().path == "app/heavy.py");
  CHECK(registry.fetched.empty());
}

TEST_CASE("published records that are damaged") {
  CHECK_THROWS_AS(read_published_cache("no archive", "the records of x"), Error);
}

TEST_CASE("what an interpreter said travels with the step") {
  FakeRegistry registry;
  Machine first(registry);
  Machine second(registry);
  const std::vector<oci::Layer> layers = {first.layer("base")};
  first.sandbox.expect([](const SandboxCommand& command, const fs::path&) {
    command.on_stdout_bytes(
        "executable=/usr/bin/python3.11\nversion=3.11.2\nmagic=a70d0d0a\nmachine=x86_64\n");
    return SandboxResult{};
  });
  const auto probed = probe_interpreter(first.bench, layers, "step");
  CHECK_FALSE(known_interpreter(second.store, layers));
  remember_interpreter(second.store, interpreter_fact(first.store, layers));
  CHECK(known_interpreter(second.store, layers) == probed);
  for (const auto* nonsense :
       {"", "{}", R"({"record":"../x.json","values":{}})", R"({"record":"interpreter-1.json","values":{}})"})
    remember_interpreter(second.store, nonsense);
}
