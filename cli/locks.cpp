#include "cli/locks.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/find_lock.hpp"
#include "cli/build_registry.hpp"
#include "cli/host_environment.hpp"
#include "cli/images.hpp"
#include "cli/registry_access.hpp"

#include <optional>

namespace dash::cli {

namespace {

builder::ImageRecords records_in_registry(const std::string& name, const CommonOptions& common,
                                          const RegistryOptions& options) {
  const auto host = read_host_settings(common);
  const auto reference = parse_remote_names(std::string(oci::kRegistryTransport), {name}).front();
  NullEvents events;
  BuildRegistry registry(registry_settings(options, host, common.home, reference.registry), events, {});
  const auto found = registry.manifest(reference, host_platform(host));
  if (!found)
    throw Error(ErrorCode::not_found, concat(reference.registry, " has no image ", reference.to_string()))
        .with_hint("'dash-build tags' lists what a repository has");
  const auto manifest = oci::Manifest::parse(found->bytes, name);
  return builder::read_image_records(
      manifest, oci::ImageConfig::parse(registry.read(manifest.config, reference), name));
}

std::string carried(std::optional<std::string> lock, const std::string& image, std::string_view what,
                    std::string_view app) {
  if (lock) return std::move(*lock);
  throw Error(ErrorCode::not_found, concat(image, " carries no ", what))
      .with_hint(
          concat("only images that this version of 'dash-build build' made of a ", app, " app have one"));
}

}  // namespace

builder::ImageRecords records_of(const std::string& image, const CommonOptions& common,
                                 const RegistryOptions& options) {
  if (image.starts_with(oci::kRegistryTransport))
    return records_in_registry(image.substr(oci::kRegistryTransport.size()), common, options);
  const auto found = find_image(image, common.home, read_host_settings(common)).image;
  return builder::read_image_records(found.manifest, found.config);
}

std::string lock_of(const std::string& image, LockKind kind, const CommonOptions& common,
                    const RegistryOptions& options) {
  const auto records = records_of(image, common, options);
  return kind == LockKind::conda
             ? carried(builder::find_conda_lock(records), image, "lock of conda packages", "conda")
             : carried(builder::find_lock(records), image, "lock", "Python");
}

void use_lock(builder::BuildRequest& request, const std::string& place, const CommonOptions& common,
              const RegistryOptions& registry) {
  if (place.empty()) return;
  request.locked_place = place;
  boost::system::error_code absent;
  if (fs::is_regular_file(place, absent)) {
    request.locked = read_file(place);
    if (trim(request.locked).empty())
      throw Error(ErrorCode::invalid_input, concat("--locked ", place, ": the file is empty"))
          .with_hint("'dash-build lock NAME -o FILE' writes the lock of a built image");
    return;
  }
  if (place.starts_with('.') || place.starts_with('/') || place.ends_with(".toml"))
    throw Error(ErrorCode::not_found, concat("--locked ", place, ": there is no such file"))
        .with_hint("'dash-build lock NAME -o FILE' writes the lock of a built image");
  request.locked = with_context(concat("while reading --locked ", place),
                                [&] { return lock_of(place, LockKind::python, common, registry); });
}

}  // namespace dash::cli
