#include "builder/steps/base_step.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/step_record.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/base_image.hpp"
#include "oci/image_archive.hpp"
#include "oci/image_location.hpp"
#include "oci/recompress.hpp"
#include "oci/reference.hpp"

namespace dash::builder {

namespace {

// Name of the default base image in the store; the last one that was made has it.
constexpr const char* kDefaultBaseName = "dash-build/base:bookworm";

// Bootstrapping takes a minute, so it is done once for all compressions and all SOURCE_DATE_EPOCHs: the
// record under the recipe alone tells of layers that only have to be compressed again.
class DefaultBase : public Step {
 public:
  explicit DefaultBase(const Workbench& bench) : bench_(bench) {}
  std::string name() const override { return kBaseStep; }

  StepInputs inputs(const ImageState&) const override {
    auto out = recipe_inputs();
    out.add("compression", bench_.compression.identity());
    return out;
  }

  // The packages, the tree that is made of them, the layer, and the layer unpacked for the steps above.
  DiskSpace space_needed() const override {
    if (record()) return Step::space_needed();
    return {std::uint64_t{500} << 20, 12'000};
  }

  StepResult run(const ImageState&) override {
    auto image = made_before();
    if (!image) image = bootstrap();
    // Named, so that it outlives the images that are made of it.
    auto& layout = bench_.store.layout();
    const auto manifest = layout.store_image(image->config, image->layers);
    layout.tag(kDefaultBaseName, manifest);
    const auto recipe = recipe_inputs();
    StepRecords(bench_.store)
        .save(recipe.key(kBaseStep),
              {kBaseStep, recipe.leaves(), image->layers, {{"config", image->config.to_json()}}, 0});
    return {std::move(image->layers),
            {{"config", image->config.to_json()}, {"digest", manifest.digest.to_string()}}};
  }

 private:
  StepInputs recipe_inputs() const {
    StepInputs out;
    out.add("recipe", base_recipe_identity(bench_.host));
    out.add("architecture", bench_.host.debian_architecture);
    return out;
  }

  std::optional<StepRecord> record() const {
    return StepRecords(bench_.store).find(recipe_inputs().key(kBaseStep));
  }

  std::optional<BaseImage> made_before() const {
    const auto made = record();
    if (!made) return std::nullopt;
    BaseImage image{oci::ImageConfig::parse(made->facts.at("config"), "configuration of the base image"), {}};
    for (const auto& layer : made->layers)
      image.layers.push_back(oci::recompress_layer(bench_.layer_settings(), layer, bench_.stop));
    return image;
  }

  BaseImage bootstrap() const {
    if (bench_.network == Network::none)
      throw Error(ErrorCode::unavailable,
                  "the default base image is not in the store, and --offline keeps it from being made")
          .with_hint("build once without --offline, or name an image with --base");
    auto host = bench_.host;
    host.source_date_epoch = oci::kDefaultEpoch;
    const Workbench bench{bench_.store, bench_.sandbox,     bench_.fetcher, bench_.pool, bench_.events,
                          host,         bench_.compression, bench_.network, bench_.stop, bench_.registry};
    return bootstrap_base(bench);
  }

  const Workbench& bench_;
};

// An image in a layout, an archive or the store.
class GivenBase : public Step {
 public:
  GivenBase(const Workbench& bench, const std::string& base) : bench_(bench) {
    platform_.architecture = bench.host.debian_architecture;
    with_context(concat("while reading the base image ", base),
                 [&] { find(oci::ImageLocation::parse(base)); });
  }
  std::string name() const override { return kBaseStep; }
  Decision kind() const override { return Decision::fetch; }

  StepInputs inputs(const ImageState&) const override {
    StepInputs out;
    out.add("manifest", manifest_->digest.to_string());
    return out;
  }

  // Its blobs, and its layers unpacked, which are about three times as large when they are compressed.
  DiskSpace space_needed() const override {
    auto out = Step::space_needed();
    if (!foreign_) return out;
    for (const auto& layer : oci::load_image(*foreign_, *manifest_, platform_).manifest.layers)
      if (!bench_.store.layout().contains(layer.digest))
        out.bytes += layer.size * (layer.media_type == oci::media_type::kLayerTar ? 2 : 4);
    return out;
  }

  StepResult run(const ImageState&) override {
    auto& layout = bench_.store.layout();
    if (foreign_) oci::copy_image(*foreign_, *manifest_, layout, platform_, bench_.stop);
    const auto image = layout.load(*manifest_, platform_);
    return {image.layers(),
            {{"config", image.config.to_json()}, {"digest", image.descriptor.digest.to_string()}}};
  }

 private:
  void find(const oci::ImageLocation& location) {
    if (location.kind != oci::ImageLocation::Kind::name) {
      auto image = oci::open_image(location, platform_);
      foreign_ = std::move(image.store);
      manifest_ = std::move(image.manifest);
      return;
    }
    const auto& layout = bench_.store.layout();
    const auto name = oci::Reference::parse(location.name).with_default_tag().to_string();
    const auto entry = layout.find(name);
    if (!entry)
      throw Error(ErrorCode::not_found, concat("there is no image ", quoted(name), " in the store"))
          .with_hint(
              "use --base docker://REGISTRY/NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG] or "
              "docker-archive:FILE[:NAME]; 'dash-build images' lists the store");
    manifest_ = oci::resolve_manifest(layout, *entry, platform_);
  }

  const Workbench& bench_;
  oci::Platform platform_;
  std::unique_ptr<oci::BlobStore> foreign_;  // where the image is, unless it is in the store
  std::optional<oci::Descriptor> manifest_;
};

// An image in a registry. Its layers stay there until a command runs on them.
class RemoteBase : public Step {
 public:
  RemoteBase(const Workbench& bench, const std::string& base)
      : bench_(bench), name_(oci::Reference::parse(base).with_default_tag()) {
    with_context(concat("while reading the base image ", base), [&] { find(base); });
  }
  std::string name() const override { return kBaseStep; }
  Decision kind() const override { return Decision::fetch; }

  StepInputs inputs(const ImageState&) const override {
    StepInputs out;
    out.add("manifest", descriptor_->digest.to_string());
    return out;
  }

  StepResult run(const ImageState&) override {
    auto config = bench_.registry->read(manifest_.config, name_);
    const auto image =
        oci::StoredImage{*descriptor_, manifest_,
                         oci::ImageConfig::parse(config, concat("the configuration of ", name_.to_string()))};
    return {image.layers(), {{"config", std::move(config)}, {"digest", descriptor_->digest.to_string()}}};
  }

 private:
  void find(const std::string& base) {
    if (name_.registry.empty())
      throw Error(ErrorCode::usage, concat(quoted(base), " names no registry"))
          .with_hint("write it in full: docker://REGISTRY/REPOSITORY[:TAG]");
    if (bench_.registry == nullptr)
      throw Error(ErrorCode::unavailable, "the base image is in a registry, which --offline rules out")
          .with_hint("'dash-build pull' it first and name it in the store by --base");
    oci::Platform platform;
    platform.architecture = bench_.host.debian_architecture;
    auto found = bench_.registry->manifest(name_, platform);
    if (!found)
      throw Error(ErrorCode::not_found, concat(name_.registry, " has no image ", name_.to_string()))
          .with_hint("check the name; 'dash-build tags' lists what a repository has");
    manifest_ = oci::Manifest::parse(found->bytes, name_.to_string());
    descriptor_ = std::move(found->descriptor);
    bench_.store.layers().promise(manifest_.layers, name_, *bench_.registry);
  }

  const Workbench& bench_;
  oci::Reference name_;
  std::optional<oci::Descriptor> descriptor_;
  oci::Manifest manifest_{{{}, oci::Digest(Sha256{}), 0, {}, std::nullopt}, {}, {}, {}};
};

}  // namespace

std::unique_ptr<Step> make_base_step(const Workbench& bench, const std::string& base) {
  if (base.empty()) return std::make_unique<DefaultBase>(bench);
  if (base.starts_with(oci::kRegistryTransport))
    return std::make_unique<RemoteBase>(bench, std::string(oci::without_transport(base)));
  return std::make_unique<GivenBase>(bench, base);
}

}  // namespace dash::builder
