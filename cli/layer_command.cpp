// `layer`: a directory as the last layer of an image in a layout.
#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "builder/image_config.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/images.hpp"
#include "cli/session.hpp"
#include "oci/image_archive.hpp"
#include "oci/image_location.hpp"
#include "oci/tree.hpp"

#include <iostream>

namespace dash::cli {

int run_command(const LayerOptions& options, std::stop_token stop) {
  const auto to = oci::ImageLocation::parse(options.output);
  if (to.kind != oci::ImageLocation::Kind::layout)
    throw Error(ErrorCode::usage, concat("-o ", dash::quoted(options.output), " is not oci:DIR[:TAG]"));
  const auto compression = oci::Compression::parse(options.compression);
  const auto host = read_host_settings(options.common);
  boost::system::error_code ignored;
  if (!fs::is_directory(options.directory, ignored))
    throw Error(ErrorCode::not_found, concat(options.directory.string(), " is not a directory"));

  const auto source = fs::weakly_canonical(options.directory);
  if (const auto inside = fs::weakly_canonical(to.path).lexically_relative(source);
      !inside.empty() && *inside.begin() != "..")
    throw Error(ErrorCode::usage,
                concat(to.path.string(), " is inside of ", source.string(), ", which is packed"))
        .with_hint("write the image somewhere else");

  auto layout = oci::ImageLayout::open_or_create(to.path);
  const auto lease = layout.lease();
  oci::ImageConfig config;
  config.created = builder::rfc3339(host.source_date_epoch);
  config.platform.architecture = host.debian_architecture;
  std::vector<oci::Layer> layers;
  if (!options.base.empty()) {
    const auto base = find_image(options.base, options.common.home, host);
    config = base.image.config;
    config.created = builder::rfc3339(host.source_date_epoch);
    layers = base.image.layers();
    oci::copy_image(*base.store, base.image.descriptor, layout, config.platform, stop);
  }

  ThreadPool pool(thread_count(options.threads));
  oci::LayerWriter writer(oci::LayerSettings{layout, pool, compression, host.source_date_epoch});
  oci::TreeOptions tree;
  tree.prefix = options.prefix;
  const auto stats = oci::add_tree(writer, options.directory, tree, stop);
  const auto layer = writer.finish();
  layers.push_back(layer);
  config.history.push_back({config.created, "dash-build layer", "", false});
  const auto image = layout.store_image(config, layers);
  layout.tag(to.tag.empty() ? "latest" : to.tag, image);
  std::cout << "layer   " << layer.blob.digest.to_string() << ' ' << human_size(layer.blob.size) << ", "
            << stats.entries << " entries, " << human_size(stats.content_bytes) << '\n'
            << "image   " << image.digest.to_string() << '\n';
  return 0;
}

}  // namespace dash::cli
