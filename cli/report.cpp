#include "cli/report.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/layer_annotations.hpp"
#include "cli/event_text.hpp"
#include "cli/inputs.hpp"

#include <array>
#include <cstdio>
#include <ostream>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

using Json = nlohmann::ordered_json;

// A step with more layers has one line for all.
constexpr std::size_t kMostLines = 4;

std::string time_of(const builder::StepReport& step) {
  if (step.plan.decision == Decision::reuse || step.plan.decision == Decision::skip) return "-";
  return seconds_text(std::chrono::duration<double>(step.seconds));
}

}  // namespace

std::string pad(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

void print_report(std::ostream& out, const builder::BuildRequest& request, const builder::BuildReport& report,
                  ReportDetail detail) {
  out << "image   " << request.name.to_string() << '\n'
      << "digest  " << report.image.digest.to_string() << '\n';
  for (const auto& step : report.steps) {
    out << pad(step.plan.step, 16) << ' ' << pad(std::string(to_string(step.plan.decision)), 6) << ' '
        << pad(time_of(step), 8) << ' ' << step.plan.reason << '\n';
    if (detail == ReportDetail::inputs) print_inputs(out, step.plan.inputs);
    if (step.layers.size() > kMostLines) {
      std::uint64_t bytes = 0;
      for (const auto& layer : step.layers) bytes += layer.blob.size;
      out << pad("", 17) << step.layers.size() << " layers, " << human_size(bytes) << '\n';
      continue;
    }
    for (const auto& layer : step.layers)
      out << pad("", 17) << layer.blob.digest.to_string() << ' ' << human_size(layer.blob.size) << '\n';
  }
}

void write_metadata(const fs::path& file, const builder::BuildRequest& request,
                    const builder::BuildReport& report) {
  Json out;
  out["image.name"] = request.name.to_string();
  out["image.digest"] = report.image.digest.to_string();
  out["image.size"] = report.image.size;
  out["image.mediaType"] = report.image.media_type;
  out["image.config.digest"] = report.config.digest.to_string();
  out["layers"] = Json::array();
  out["steps"] = Json::array();
  for (const auto& step : report.steps) {
    for (const auto& layer : step.layers) {
      out["layers"].push_back({{"step", step.plan.step},
                               {"digest", layer.blob.digest.to_string()},
                               {"diffId", layer.diff_id.to_string()},
                               {"size", layer.blob.size},
                               {"mediaType", layer.blob.media_type}});
      const auto packages = layer.blob.annotations.find(builder::kPackagesAnnotation);
      if (packages != layer.blob.annotations.end()) out["layers"].back()["packages"] = packages->second;
    }
    out["steps"].push_back({{"name", step.plan.step},
                            {"decision", to_string(step.plan.decision)},
                            {"reason", step.plan.reason},
                            {"seconds", step.seconds}});
  }
  write_file_atomic(file, out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace dash::cli
