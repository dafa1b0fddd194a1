// "Downloads" file: URLs by copying.
#pragma once

#include "builder/ports.hpp"

#include <string_view>

namespace dash::testing {

class FileFetcher : public builder::PackageFetcher {
 public:
  void fetch(const std::vector<builder::FetchRequest>& requests, const Progress&, std::stop_token) override {
    constexpr std::string_view kScheme = "file://";
    for (const auto& request : requests) {
      fs::copy_file(request.url.substr(kScheme.size()), request.destination);
      request.completed();
    }
  }
};

}  // namespace dash::testing
