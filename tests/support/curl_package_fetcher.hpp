// The downloader behind the builder's port, as cli/ wires them.
#pragma once

#include "builder/ports.hpp"
#include "registry/http_fetcher.hpp"

namespace dash::testing {

class CurlPackageFetcher : public builder::PackageFetcher {
 public:
  explicit CurlPackageFetcher(const builder::HostSettings& host) : fetcher_(settings(host)) {}

  void fetch(const std::vector<builder::FetchRequest>& requests, const Progress& progress,
             std::stop_token stop) override {
    std::vector<registry::Download> downloads;
    for (const auto& request : requests)
      downloads.push_back(
          {request.url, request.destination, request.sha256, request.size, request.shown, request.completed});
    fetcher_.fetch(
        downloads,
        [&](const registry::Download& download, std::uint64_t done, std::uint64_t total) {
          progress(requests[static_cast<std::size_t>(&download - downloads.data())], done, total);
        },
        std::move(stop));
  }

 private:
  static registry::FetchSettings settings(const builder::HostSettings& host) {
    registry::FetchSettings out;
    out.http.ca_bundle = host.ca_bundle;
    out.http.proxies = host.proxies;
    return out;
  }

  registry::HttpFetcher fetcher_;
};

}  // namespace dash::testing
