// Any bytes as hosts.toml and as registries.conf: endpoints, or an Error that names the file.
#include "base/error.hpp"
#include "base/file.hpp"
#include "registry/hosts.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>

namespace {

using namespace dash;

struct Files {
  TempDirectory directory{"/dev/shm"};
  fs::path hosts = directory.path() / "certs.d/registry.example/hosts.toml";
  fs::path registries = directory.path() / "registries.conf";
  Files() { make_directories(hosts.parent_path()); }
};

void write(const fs::path& file, std::string_view text) {
  std::ofstream(file.string(), std::ios::binary | std::ios::trunc) << text;
}

void check(const std::function<void()>& read) {
  try {
    read();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal || error.message().empty()) std::abort();
  }
}

void check_endpoints(const registry::HostsConfig& config) {
  for (const auto* name : {"registry.example", "a.registry.example", "mirror.example:5000"})
    check([&] {
      const auto endpoints = config.endpoints(name, "team/app");
      if (endpoints.empty() || endpoints.back().role != registry::Endpoint::Role::origin) std::abort();
      for (const auto& endpoint : endpoints)
        if (!endpoint.tls || endpoint.base.host.empty() || !registry::Url::parse(endpoint.base.to_string()))
          std::abort();
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Files files;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  write(files.hosts, text);
  write(files.registries, text);
  check([&] { check_endpoints(registry::HostsConfig({{files.directory.path() / "certs.d"}, {}, {}})); });
  check([&] {
    const registry::HostsConfig config({{}, {files.registries}, {}});
    check_endpoints(config);
    const auto name = config.complete(oci::Reference::parse("app"));
    if (name.registry.empty()) std::abort();
  });
  return 0;
}
