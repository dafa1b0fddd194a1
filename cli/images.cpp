#include "cli/images.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/host_environment.hpp"
#include "oci/image_archive.hpp"
#include "oci/image_location.hpp"
#include "oci/reference.hpp"

namespace dash::cli {

void require_store(const fs::path& home) {
  boost::system::error_code ignored;
  if (!fs::exists(home / "layout" / "oci-layout", ignored))
    throw Error(ErrorCode::not_found, concat("there is no store at ", home.string()))
        .with_hint("check --home and DASH_BUILD_HOME; 'dash-build build' makes a store");
}

FoundImage find_image(const std::string& text, const fs::path& home, const builder::HostSettings& host) {
  const auto location = oci::ImageLocation::parse(text);
  oci::Platform platform;
  platform.architecture = host.debian_architecture;
  if (location.kind != oci::ImageLocation::Kind::name) {
    auto opened = oci::open_image(location, platform);
    auto image = oci::load_image(*opened.store, opened.manifest, platform);
    return {std::move(opened.store), std::move(image)};
  }
  const auto where = store_home(home, host.variables);
  require_store(where);
  auto layout = std::make_unique<oci::ImageLayout>(oci::ImageLayout::open(where / "layout"));
  const auto name = oci::Reference::parse(location.name).with_default_tag().to_string();
  const auto descriptor = layout->find(name);
  if (!descriptor)
    throw Error(ErrorCode::not_found, concat("there is no image ", quoted(name), " in the store"))
        .with_hint("'dash-build images' lists what is there; oci:DIR names a layout");
  auto image = layout->load(*descriptor, platform);
  return {std::move(layout), std::move(image)};
}

}  // namespace dash::cli
