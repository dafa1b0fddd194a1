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

builder::Store open_store(const CommonOptions& common) {
  const auto home = store_home(common.home, environment_variables());
  require_store(home);
  return builder::Store(home);
}

FoundImage find_image(const std::string& text, const fs::path& home, const builder::HostSettings& host) {
  const auto location = oci::ImageLocation::parse(text);
  LocalImage found;
  if (location.kind == oci::ImageLocation::Kind::name) {
    found = open_local(text, home, host);
  } else {  // as an OCI image, whatever its media types are
    auto opened = oci::open_image(location, host_platform(host));
    found = {std::move(opened.store), std::move(opened.manifest)};
  }
  auto image = oci::load_image(*found.store, found.image, host_platform(host));
  return {std::move(found.store), std::move(image)};
}

LocalImage open_local(const std::string& text, const fs::path& home, const builder::HostSettings& host) {
  const auto location = oci::ImageLocation::parse(text);
  if (location.kind != oci::ImageLocation::Kind::name) {
    auto opened = oci::open_content(location, host_platform(host));
    return {std::move(opened.store), std::move(opened.manifest)};
  }
  const auto where = store_home(home, host.variables);
  require_store(where);
  auto layout = std::make_unique<oci::ImageLayout>(oci::ImageLayout::open(where / "layout"));
  const auto name = oci::Reference::parse(location.name).with_default_tag().to_string();
  const auto found = layout->find(name);
  if (!found)
    throw Error(ErrorCode::not_found, concat("there is no image ", dash::quoted(name), " in the store"))
        .with_hint("'dash-build images' lists what is there; oci:DIR names a layout");
  return {std::move(layout), *found};
}

oci::Platform host_platform(const builder::HostSettings& host) {
  oci::Platform out;
  out.architecture = host.debian_architecture;
  return out;
}

oci::Platform parse_platform(const std::string& text) {
  const auto parts = split(text, '/');
  if (parts.size() < 2 || parts.size() > 3)
    throw Error(ErrorCode::usage, concat("--platform ", dash::quoted(text), " is not OS/ARCH[/VARIANT]"))
        .with_hint("for example linux/arm64, or all");
  return {std::string(parts[0]), std::string(parts[1]), parts.size() == 3 ? std::string(parts[2]) : ""};
}

}  // namespace dash::cli
