#include "cli/built_image_push.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/registry_access.hpp"
#include "registry/pusher.hpp"

#include <chrono>

namespace dash::cli {

std::vector<oci::Reference> parse_push_targets(const std::vector<std::string>& texts) {
  std::vector<oci::Reference> out;
  for (const auto& text : texts) {
    out.push_back(oci::Reference::parse(text).with_default_tag());
    if (out.back().registry.empty())
      throw Error(ErrorCode::usage, concat("--push ", dash::quoted(text), " names no registry"))
          .with_hint(concat("write it in full: REGISTRY/", text));
    if (out.back().digest)
      throw Error(ErrorCode::usage,
                  concat("--push ", dash::quoted(text), " names a digest, which a build decides itself"))
          .with_hint("use a tag");
  }
  return out;
}

void push_built_image(const oci::ImageLayout& from, const oci::Descriptor& image,
                      const std::vector<oci::Reference>& targets, const CommonOptions& common,
                      const builder::HostSettings& host, EventSink& events, const std::stop_token& stop) {
  if (targets.empty()) return;
  registry::RegistrySession session(registry_settings({}, host, common.home, {}));
  registry::Pusher pusher(session, events, stop);
  registry::StoreSource source(from);
  for (const auto& target : targets) {
    events.emit(StepStarted{"push"});
    const auto start = std::chrono::steady_clock::now();
    pusher.push(source, image, target);
    events.emit(StepFinished{"push", Decision::build, std::chrono::steady_clock::now() - start});
  }
}

}  // namespace dash::cli
