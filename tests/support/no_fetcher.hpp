// A downloader for tests that download nothing.
#pragma once

#include "base/error.hpp"
#include "builder/ports.hpp"

namespace dash::testing {

class NoFetcher : public builder::PackageFetcher {
 public:
  void fetch(const std::vector<builder::FetchRequest>& requests, const Progress&, std::stop_token) override {
    if (!requests.empty()) throw Error(ErrorCode::internal, "the test fetches nothing");
  }
};

}  // namespace dash::testing
