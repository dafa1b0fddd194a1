// `lock`: which Python packages are in an image.
#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/find_lock.hpp"
#include "cli/commands.hpp"
#include "cli/images.hpp"
#include "cli/locks.hpp"
#include "cli/session.hpp"
#include "oci/reference.hpp"

#include <algorithm>
#include <iostream>

namespace dash::cli {

namespace {

// Records outlive images, and images with the same inputs share them: a lock is that of an image only when
// what was made of it is in there.
std::string lock_of(builder::Store& store, const oci::Reference& name) {
  const auto entry = store.layout().find(name.to_string());
  if (!entry)
    throw Error(ErrorCode::not_found, concat("there is no image ", name.to_string(), " in the store"))
        .with_hint("'dash-build images' lists what is there");
  const auto manifest = store.layout().load(*entry).manifest;
  const auto is_in_image = [&](const oci::Layer& layer) {
    return std::ranges::any_of(manifest.layers,
                               [&](const auto& blob) { return blob.digest == layer.blob.digest; });
  };
  const auto lock = builder::find_lock(store, name);
  if (lock && std::ranges::all_of(lock->layers, is_in_image)) return lock->text;
  throw Error(ErrorCode::not_found, concat("the lock of ", name.to_string(), " is not known"))
      .with_hint(
          "only images that 'dash-build build' made have one, until another build of the same requirements "
          "replaces "
          "it; build the app again under this name");
}

}  // namespace

void use_lock(builder::BuildRequest& request, const std::string& place, const CommonOptions& common) {
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
  auto store = open_store(common);
  request.locked = with_context(concat("while reading --locked ", place), [&] {
    return lock_of(store, oci::Reference::parse(place).with_default_tag());
  });
}

int run_command(const LockOptions& options, std::stop_token) {
  AppOptions app;
  app.directory = options.directory;
  const auto name = options.image.empty() ? make_request(app).name
                                          : oci::Reference::parse(options.image).with_default_tag();
  auto store = open_store(options.common);
  const auto text = lock_of(store, name);
  if (options.output.empty())
    std::cout << text;
  else
    write_file_atomic(options.output, text);
  return 0;
}

}  // namespace dash::cli
