// `build` and `plan`: an app's directory to an image, and what that would take.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/published_cache.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/inputs.hpp"
#include "cli/locks.hpp"
#include "cli/registry_access.hpp"
#include "cli/renderers.hpp"
#include "cli/report.hpp"
#include "cli/session.hpp"
#include "oci/docker_archive.hpp"
#include "oci/image_archive.hpp"
#include "oci/image_location.hpp"

#include <cstdio>
#include <iostream>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

using Json = nlohmann::ordered_json;

// What can be known to fail is said before the build.
void check_output(const oci::ImageLocation& location, const std::vector<oci::ImageLocation>& before) {
  using Kind = oci::ImageLocation::Kind;
  boost::system::error_code ignored;
  const auto place = fs::absolute(location.path).lexically_normal();
  const auto fail = [&](ErrorCode code, std::string_view what) {
    return Error(code, concat("-o ", location.to_string(), ": ", place.string(), what));
  };
  for (const auto& other : before)
    if (fs::absolute(other.path).lexically_normal() == place &&
        (location.kind != Kind::layout || other.kind != Kind::layout))
      throw fail(ErrorCode::usage, " is the place of another output too")
          .with_hint("each archive needs a file of its own");
  const bool is_directory = fs::is_directory(place, ignored);
  if (location.kind == Kind::layout && fs::exists(place, ignored) && !is_directory)
    throw fail(ErrorCode::usage, " is no directory").with_hint("an OCI layout is a directory");
  if (location.kind != Kind::layout && is_directory)
    throw fail(ErrorCode::usage, " is a directory")
        .with_hint("give the name of a file; oci:DIR writes a layout");
  if (location.kind != Kind::layout && !fs::is_directory(place.parent_path(), ignored))
    throw fail(ErrorCode::not_found, " is in a directory that does not exist")
        .with_hint("make the directory first");
}

std::vector<oci::ImageLocation> parse_outputs(const std::vector<std::string>& texts,
                                              const oci::Reference& image) {
  using Kind = oci::ImageLocation::Kind;
  std::vector<oci::ImageLocation> out;
  for (const auto& text : texts) {
    auto location = oci::ImageLocation::parse(text);
    if (location.kind == Kind::name)
      throw Error(ErrorCode::usage, concat("-o ", dash::quoted(text), " names no place to write to"))
          .with_hint(
              "use -o oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]; -t names the "
              "image "
              "in the store");
    // A Docker archive says the name that the image gets where it is loaded.
    if (location.kind == Kind::docker_archive)
      location.tag =
          (location.tag.empty() ? image : oci::Reference::parse(location.tag).with_default_tag()).to_string();
    else if (location.tag.empty())
      location.tag = "latest";
    check_output(location, out);
    out.push_back(std::move(location));
  }
  return out;
}

void write_output(const oci::ImageLayout& from, const oci::Descriptor& image, const oci::ImageLocation& to,
                  const std::stop_token& stop) {
  with_context(concat("while writing ", to.to_string()), [&] {
    switch (to.kind) {
      case oci::ImageLocation::Kind::archive:
        return oci::export_archive(from, image, to.tag, to.path, {}, stop);
      case oci::ImageLocation::Kind::docker_archive:
        return oci::export_docker_archive(from, image, to.tag, to.path, {}, stop);
      case oci::ImageLocation::Kind::layout:
      case oci::ImageLocation::Kind::name:
        return oci::export_layout(from, image, to.tag, to.path, {}, stop);
    }
  });
}

std::vector<oci::Reference> parse_tags(const std::string& option, const std::vector<std::string>& texts) {
  auto out = parse_remote_names(option, texts);
  for (const auto& name : out)
    if (name.digest)
      throw Error(ErrorCode::usage, concat(option, ' ', dash::quoted(name.to_string()),
                                           " names a digest, which a build decides itself"))
          .with_hint("use a tag");
  return out;
}

// Whose --creds are.
std::string credentials_registry(const AppOptions& options, const std::vector<std::string>& cache_to) {
  if (options.registry.credentials.empty()) return {};
  std::set<std::string> out;
  for (const auto* texts : {&options.push, &options.cache_from, &cache_to})
    for (const auto& name : parse_remote_names("--creds for", *texts)) out.insert(name.registry);
  if (options.base.starts_with(oci::kRegistryTransport))
    out.insert(oci::Reference::parse(oci::without_transport(options.base)).registry);
  return only_registry(options.registry, out);
}

// What is named, and the images that are replaced. Offline, what a setting names is no fault.
std::vector<builder::CacheSource> cache_sources(const AppOptions& options,
                                                const std::vector<oci::Reference>& push_targets) {
  std::vector<builder::CacheSource> out;
  if (options.offline || options.no_cache) return out;
  for (const auto& target : push_targets) out.push_back({target, builder::CacheSource::Kind::previous});
  for (auto& name : parse_remote_names("--cache-from", options.cache_from))
    out.push_back({std::move(name), builder::CacheSource::Kind::asked_for});
  return out;
}

// To the places that are named, with what later builds can use.
void hand_out(Session& session, const builder::BuildReport& report,
              const std::vector<oci::ImageLocation>& outputs, const std::vector<oci::Reference>& push_targets,
              const std::vector<oci::Reference>& cache_targets, const std::stop_token& stop) {
  for (const auto& output : outputs) write_output(session.store().layout(), report.image, output, stop);
  if (!push_targets.empty()) session.registry().push(session.store(), report.image, push_targets);
  if (!cache_targets.empty())
    session.registry().push(session.store(), builder::store_published_cache(session.bench(), report.records),
                            cache_targets);
}

// The progress display is complete when it returns.
builder::BuildReport build(const BuildOptions& options, const builder::BuildRequest& request,
                           const std::vector<oci::ImageLocation>& outputs,
                           const std::vector<oci::Reference>& push_targets,
                           const std::vector<oci::Reference>& cache_targets, const std::stop_token& stop) {
  const auto events = make_renderer(options.progress, environment_variables());
  Session session(options.common, options.app, options.threads, *events, stop);
  std::optional<builder::BuildReport> report;
  {
    const auto lease = session.store().layout().lease();
    report = builder::run_build(session.bench(), request);
    hand_out(session, *report, outputs, push_targets, cache_targets, stop);
  }
  builder::keep_quota_after_build(session.bench());
  return std::move(*report);
}

}  // namespace

int run_command(const BuildOptions& given, std::stop_token stop) {
  auto options = given;
  options.app.registry.credentials_registry = credentials_registry(options.app, options.cache_to);
  auto request = make_request(options.app);
  use_lock(request, options.app.locked, options.common, options.app.registry);
  const auto outputs = parse_outputs(options.outputs, request.name);
  const auto push_targets = parse_tags("--push", options.app.push);
  const auto cache_targets = parse_tags("--cache-to", options.cache_to);
  request.cache_from = cache_sources(options.app, push_targets);
  if (!push_targets.empty() && outputs.empty())
    request.destination = builder::BuildRequest::Destination::registry;
  if (options.app.offline && !push_targets.empty())
    throw Error(ErrorCode::usage, "--push needs the network, which --offline rules out");
  if (options.app.offline && !cache_targets.empty())
    throw Error(ErrorCode::usage, "--cache-to needs the network, which --offline rules out");
  const auto report = build(options, request, outputs, push_targets, cache_targets, stop);
  if (!options.metadata_file.empty()) write_metadata(options.metadata_file, request, report);
  if (options.progress == Progress::quiet)
    std::cout << report.image.digest.to_string() << '\n';
  else
    print_report(std::cout, request, report,
                 options.app.explain ? ReportDetail::inputs : ReportDetail::layers);
  return 0;
}

int run_command(const PlanOptions& given, std::stop_token stop) {
  auto options = given;
  options.app.registry.credentials_registry = credentials_registry(options.app, {});
  const auto events = make_renderer(Progress::quiet, environment_variables());  // warnings only
  auto request = make_request(options.app);
  use_lock(request, options.app.locked, options.common, options.app.registry);
  request.cache_from = cache_sources(options.app, parse_tags("--push", options.app.push));
  const Session session(options.common, options.app, 0, *events, std::move(stop));
  const auto steps = builder::plan_build(session.bench(), request);
  if (options.json) {
    auto out = Json::array();
    for (const auto& step : steps) {
      out.push_back({{"step", step.step},
                     {"decision", to_string(step.decision)},
                     {"reason", step.reason},
                     {"leaves", inputs_json<Json>(step.inputs)}});
    }
    std::cout << out.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    return 0;
  }
  for (const auto& step : steps) {
    std::cout << pad(step.step, 16) << ' ' << pad(std::string(to_string(step.decision)), 6) << ' '
              << step.reason << '\n';
    if (options.app.explain) print_inputs(std::cout, step.inputs);
  }
  return 0;
}

}  // namespace dash::cli
