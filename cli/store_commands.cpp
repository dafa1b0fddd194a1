// `rm`, `gc`, `validate`: keeping the store small and sound.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/collect_garbage.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/images.hpp"
#include "cli/quantities.hpp"
#include "cli/registry_access.hpp"
#include "cli/wording.hpp"
#include "oci/reference.hpp"
#include "registry/blob_places.hpp"

#include <ctime>
#include <iostream>

namespace dash::cli {

namespace {

// Seconds that the places of blobs in registries are remembered: a month.
constexpr std::time_t kPlacesKept = std::time_t{30} * 24 * 3600;

}  // namespace

int run_command(const RemoveOptions& options, std::stop_token) {
  auto store = open_store(options.common);
  std::vector<std::string> names;
  std::vector<std::string> missing;
  for (const auto& text : options.names) {
    names.push_back(oci::Reference::parse(text).with_default_tag().to_string());
    if (!store.layout().find(names.back())) missing.push_back(names.back());
  }
  if (!missing.empty())
    throw Error(ErrorCode::not_found, concat("there is no image ", join(missing, ", "), " in the store"))
        .with_hint("nothing was removed; 'dash-build images' lists what is there");
  for (const auto& name : names) store.layout().untag(name);
  return 0;
}

int run_command(const CollectOptions& options, std::stop_token stop) {
  builder::GarbageOptions garbage;
  garbage.older_than = parse_duration(options.older_than, "--older-than");
  if (!options.keep_bytes.empty()) garbage.keep_bytes = parse_size(options.keep_bytes, "--keep-bytes");
  auto store = open_store(options.common);
  const auto collected = builder::collect_garbage(store, garbage, std::move(stop));
  if (!collected)
    throw Error(ErrorCode::unavailable, "a build is using the store; nothing was removed")
        .with_hint("run 'dash-build gc' again when it is done");
  registry::BlobPlaces(registry::places_directory(transfers_directory(store.home())))
      .remove_before(std::time(nullptr) - kPlacesKept);
  std::cout << "freed " << human_size(collected->bytes) << " in " << collected->removed
            << (collected->removed == 1 ? " file or directory\n" : " files and directories\n");
  return 0;
}

int run_command(const ValidateOptions& options, std::stop_token) {
  const auto store = open_store(options.common);
  const auto faults = store.layout().validate();
  for (const auto& fault : faults) std::cout << fault << '\n';
  if (!faults.empty())
    throw Error(ErrorCode::corrupt,
                concat(store.layout().directory().string(), " has ", counted(faults.size(), "fault")))
        .with_hint(
            "remove the images that are named with 'dash-build rm', run 'dash-build gc', and build again");
  std::cout << "valid\n";
  return 0;
}

}  // namespace dash::cli
