#include "builder/build.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/eviction.hpp"
#include "builder/layer_annotations.hpp"
#include "builder/steps/app_image.hpp"
#include "builder/steps/steps.hpp"

#include <chrono>
#include <utility>

namespace dash::builder {

namespace {

// What an image takes besides its layers, at most.
constexpr std::uint64_t kDocuments = std::uint64_t{64} << 10;

// Decides steps one after the other, each against the state that those before it leave.
class Decider {
 public:
  Decider(const Workbench& bench, const BuildRequest& request, BuildCache& cache)
      : records_(bench.store), request_(request), cache_(cache), app_(request.name.to_string()) {}

  struct Decided {
    PlannedStep plan;
    std::optional<StepKey> key;
    StepInputs inputs;
    std::optional<StepRecord> record;  // set when the step's result is there
  };

  Decided decide(const Step& step, const ImageState& state) const {
    Decided out;
    out.plan.step = step.name();
    if (const auto reason = step.skip_reason(state)) {
      out.plan.decision = Decision::skip;
      out.plan.reason = *reason;
      return out;
    }
    out.inputs = step.inputs(state);
    out.key = out.inputs.key(step.name());
    decide_on_record(step, state, out);
    return out;
  }

  void save(const Step& step, const StepKey& key, const StepRecord& record) {
    records_.save(key, record);
    remember(step, key);
  }
  void remember(const Step& step, const StepKey& key) { records_.remember(app_, step.name(), key); }

 private:
  std::string why_reused(const StepRecord& record) const {
    for (const auto& layer : record.layers)
      if (const auto source = cache_.source_of(layer); !source.empty())
        return concat("nothing it depends on changed since ", source);
    return "nothing it depends on changed";
  }

  // The result of an earlier build, here or where the cache has looked; nothing when it is not wanted.
  std::optional<StepRecord> find(const Step& step, const ImageState& state, const StepKey& key) const {
    if (request_.cache == BuildRequest::Cache::ignore && step.name() != kBaseStep) return std::nullopt;
    auto record = records_.find(key, step.variant(state));
    if (!record && cache_.consult()) record = records_.find(key, step.variant(state));
    return record;
  }

  void decide_on_record(const Step& step, const ImageState& state, Decided& out) const {
    out.plan.decision = step.kind();
    auto record = find(step, state, *out.key);
    const auto unwanted = record ? step.unwanted(*record) : std::nullopt;
    if (record && !unwanted) {
      out.plan.decision = Decision::reuse;
      out.plan.reason = why_reused(*record);
      out.plan.inputs = compare({}, out.inputs.leaves());
      out.record = std::move(record);
      return;
    }
    const auto before = records_.last(app_, step.name());
    out.plan.inputs = compare(before ? before->leaves : std::vector<Leaf>(), out.inputs.leaves());
    if (unwanted)
      out.plan.reason = *unwanted;
    else if (request_.cache == BuildRequest::Cache::ignore && step.name() != kBaseStep)
      out.plan.reason = "--no-cache";
    else
      out.plan.reason = why_not(out, before);
  }

  std::string why_not(const Decided& decided, const std::optional<StepRecord>& before) const {
    if (records_.find(*decided.key)) return "it was compiled against other system packages";
    if (!before) return "not built before";
    const auto change =
        describe_change(before->leaves, decided.inputs.leaves(), before->lines(), decided.inputs.lines());
    return change.empty() ? "its layers are no longer in the store" : change;
  }

  // With the old value where it was another one.
  static std::vector<StepInput> compare(const std::vector<Leaf>& before, const std::vector<Leaf>& now) {
    std::vector<StepInput> out;
    for (auto& [leaf, old] : compare_leaves(before, now))
      out.push_back({leaf.name, leaf.value, old == leaf.value ? std::nullopt : std::move(old)});
    return out;
  }

  StepRecords records_;
  const BuildRequest& request_;
  BuildCache& cache_;
  std::string app_;
};

void apply(ImageState& state, const std::string& step, const std::optional<StepKey>& key,
           const StepRecord& record) {
  state.parts.push_back({step, record.layers});
  if (key) state.keys[step] = key->hex();
  state.facts[step] = record.facts;
}

// Runs one step that has no usable record; the record is saved before anything else may fail.
StepRecord execute(const Workbench& bench, Step& step, const Decider::Decided& decided,
                   const ImageState& state, Decider& decider) {
  const auto start = std::chrono::steady_clock::now();
  bench.events.emit(StepStarted{step.name()});
  auto result = with_context(concat("in step ", step.name()), [&] {
    require_room(bench.store, step.space_needed(), "it", bench.stop);
    return step.run(state);
  });
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  StepRecord record{step.name(), decided.inputs.leaves(), std::move(result.layers), std::move(result.facts),
                    elapsed.count()};
  record.keep_lines(decided.inputs.lines());
  decider.save(step, *decided.key, record);
  for (const auto& layer : record.layers)
    bench.events.emit(
        LayerReady{step.name(), layer.blob.digest.to_string(), layer.diff_id.to_string(), layer.blob.size});
  bench.events.emit(StepFinished{step.name(), decided.plan.decision, elapsed});
  return record;
}

oci::Descriptor store_app_image(const Workbench& bench, const BuildRequest& request, const ImageState& state,
                                const std::vector<KeyedRecord>& records) {
  auto config = image_config(bench, request, state);
  config.extensions[kRecordsExtension] = image_records_json(records);
  const oci::Annotations annotations = {
      {oci::annotation::kBaseDigest, state.facts.at(kBaseStep).at("digest")}};

  std::vector<oci::Layer> layers;
  for (const auto& part : state.parts) {
    for (auto layer : part.layers) {
      layer.blob.annotations[kStepAnnotation] = part.step;
      const auto packages = layer.blob.annotations.find(kPackagesAnnotation);
      const std::string content =
          packages == layer.blob.annotations.end() ? "" : concat(": ", packages->second);
      if (part.step != kBaseStep)
        config.history.push_back({config.created, concat("dash-build ", part.step, content), "", false});
      layers.push_back(std::move(layer));
    }
  }
  return oci::put_image(bench.store.layers(), config, layers, annotations);
}

std::vector<oci::Descriptor> layers_elsewhere(const Store& store, const ImageState& state) {
  std::vector<oci::Descriptor> out;
  for (const auto& layer : state.layers())
    if (!store.layout().contains(layer.blob.digest)) out.push_back(layer.blob);
  return out;
}

// Brings what is elsewhere into the store.
void bring(const Workbench& bench, const std::vector<oci::Descriptor>& layers) {
  DiskSpace needed{0, layers.size()};
  for (const auto& layer : layers) needed.bytes += layer.size;
  if (!layers.empty()) require_room(bench.store, needed, "the image's layers in registries", bench.stop);
  bench.store.layers().bring(layers);
}

void work_ahead(const StepList& list, const ImageState& state) {
  for (const auto& step : list.steps)
    if (!step->skip_reason(state)) step->work_ahead();
}

}  // namespace

std::vector<PlannedStep> plan_build(const Workbench& bench, const BuildRequest& request) {
  const auto list = make_steps(bench, request);
  BuildCache cache(bench, request.name.to_string(), request.cache_from);
  const Decider decider(bench, request, cache);
  ImageState state;
  std::vector<PlannedStep> out;
  for (const auto& step : list.steps) {
    auto decided = decider.decide(*step, state);
    if (decided.record)
      apply(state, step->name(), decided.key, *decided.record);
    else if (decided.key)
      apply(state, step->name(), decided.key, StepRecord{});
    out.push_back(std::move(decided.plan));
  }
  return out;
}

BuildReport run_build(const Workbench& bench, const BuildRequest& request) {
  const auto lease = bench.store.layout().lease();
  const auto list = make_steps(bench, request);
  BuildCache cache(bench, request.name.to_string(), request.cache_from);
  Decider decider(bench, request, cache);
  ImageState state;
  std::vector<StepReport> reports;
  std::vector<KeyedRecord> records;
  bool works = false;  // some step has to run
  for (const auto& step : list.steps) {
    if (bench.stop.stop_requested()) throw Error(ErrorCode::canceled, "the build was stopped");
    if (!step->skip_reason(state))
      with_context(concat("in step ", step->name()), [&] { step->prepare(state); });
    const auto decided = decider.decide(*step, state);
    bench.events.emit(
        StepPlanned{step->name(), decided.plan.decision, decided.plan.reason, decided.plan.inputs});
    StepReport report{decided.plan, {}, 0};
    if (decided.plan.decision != Decision::skip) {
      if (decided.record) decider.remember(*step, *decided.key);
      if (!decided.record && !std::exchange(works, true)) work_ahead(list, state);
      auto record = decided.record ? *decided.record : execute(bench, *step, decided, state, decider);
      for (auto& [name, value] : step->facts_of(state)) record.facts[name] = std::move(value);
      report.layers = record.layers;
      report.seconds = decided.record ? 0 : record.seconds;
      apply(state, step->name(), decided.key, record);
      records.push_back({*decided.key, record});
    }
    reports.push_back(std::move(report));
  }
  if (request.destination == BuildRequest::Destination::store)
    bring(bench, layers_elsewhere(bench.store, state));
  if (works) require_room(bench.store, {kDocuments, 4}, "the image's manifest", bench.stop);
  const auto image = store_app_image(bench, request, state, records);
  auto remote = layers_elsewhere(bench.store, state);
  if (remote.empty())
    bench.store.layout().tag(request.name.to_string(), image);
  else
    bench.note({}, concat(remote.size(), remote.size() == 1 ? " layer stays" : " layers stay",
                          " in a registry, so the image gets no name in the store"));
  return {image, bench.store.layout().load(image).manifest.config, std::move(reports), std::move(records),
          std::move(remote)};
}

void keep_quota_after_build(const Workbench& bench) {
  if (const auto excess = keep_quota(bench.store, {}); excess > 0)
    bench.warn(
        "", concat("the store takes ", human_size(excess), " more than its quota of ",
                   human_size(*bench.store.quota()), ": what is left are images and what other builds use"));
}

}  // namespace dash::builder
