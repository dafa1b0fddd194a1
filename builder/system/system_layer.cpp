#include "builder/system/system_layer.hpp"

#include "builder/system/change_filter.hpp"
#include "oci/layer_writer.hpp"
#include "oci/tree.hpp"

namespace dash::builder {

oci::Layer change_to_layer(const Workbench& bench, const fs::path& changes) {
  oci::TreeOptions options;
  options.kind = oci::TreeOptions::Kind::overlay_upper;
  options.keep = [](const std::string& path, EntryType) { return !is_system_noise(path); };
  oci::LayerWriter writer(bench.layer_settings());
  oci::add_tree(writer, changes, options, bench.stop);
  return writer.finish();
}

}  // namespace dash::builder
