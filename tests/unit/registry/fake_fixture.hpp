// What tests against FakeRegistry share: quick settings, content, clients.
#pragma once

#include "base/event.hpp"
#include "registry/registry_client.hpp"
#include "tests/support/content.hpp"
#include "tests/support/error_of.hpp"
#include "tests/support/tools.hpp"
#include "tests/unit/registry/fake_registry.hpp"

#include <string>

namespace dash::testing {

inline oci::Descriptor describe(const std::string& bytes,
                                std::string_view media_type = oci::media_type::kLayerGzip) {
  return {std::string(media_type), oci::Digest::of(bytes), bytes.size(), {}, std::nullopt};
}

struct FakeFixture {
  FakeRegistry server;
  TempDirectory directory = make_temp_directory();
  registry::RegistrySettings settings;
  NullEvents events;

  FakeFixture() {
    settings.retry.base = std::chrono::milliseconds(1);
    settings.retry.retries = 3;
    settings.chunk_size = settings.largest_chunk = 100'000;
    settings.state_directory = directory.path() / "state";
  }
  oci::Reference name(const std::string& rest = "team/app:1") const {
    return oci::Reference::parse(server.address() + '/' + rest);
  }
};

}  // namespace dash::testing
