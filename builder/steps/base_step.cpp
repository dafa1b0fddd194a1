#include "builder/steps/base_step.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/steps/steps.hpp"
#include "builder/system/base_image.hpp"
#include "oci/image_archive.hpp"
#include "oci/image_location.hpp"
#include "oci/reference.hpp"

namespace dash::builder {

namespace {

// Name of the default base image in the store; the last one that was made has it.
constexpr const char* kDefaultBaseName = "dash-build/base:bookworm";

class DefaultBase : public Step {
 public:
  explicit DefaultBase(const Workbench& bench) : bench_(bench) {}
  std::string name() const override { return kBaseStep; }

  StepInputs inputs(const ImageState&) const override {
    StepInputs out;
    out.add("recipe", base_recipe_identity(bench_.host));
    out.add("architecture", bench_.host.debian_architecture);
    out.add("compression", bench_.compression.identity());
    out.add("time", std::to_string(bench_.host.source_date_epoch));
    return out;
  }

  StepResult run(const ImageState&) override {
    if (bench_.network == Network::none)
      throw Error(ErrorCode::unavailable,
                  "the default base image is not in the store, and --offline keeps it from being made")
          .with_hint("build once without --offline, or name an image with --base");
    auto image = bootstrap_base(bench_);
    // Named, so that it outlives the images that are made of it.
    auto& layout = bench_.store.layout();
    const auto manifest = layout.store_image(image.config, image.layers);
    layout.tag(kDefaultBaseName, manifest);
    return {std::move(image.layers),
            {{"config", image.config.to_json()}, {"digest", manifest.digest.to_string()}}};
  }

 private:
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
              "use --base oci:DIR[:TAG] or oci-archive:FILE[:TAG]; 'dash-build images' lists the store");
    manifest_ = oci::resolve_manifest(layout, *entry, platform_);
  }

  const Workbench& bench_;
  oci::Platform platform_;
  std::unique_ptr<oci::BlobStore> foreign_;  // where the image is, unless it is in the store
  std::optional<oci::Descriptor> manifest_;
};

}  // namespace

std::unique_ptr<Step> make_base_step(const Workbench& bench, const std::string& base) {
  if (base.empty()) return std::make_unique<DefaultBase>(bench);
  return std::make_unique<GivenBase>(bench, base);
}

}  // namespace dash::builder
