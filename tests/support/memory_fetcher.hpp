// "Downloads" from memory, and keeps what was asked for.
#pragma once

#include "base/file.hpp"
#include "builder/ports.hpp"

#include <map>
#include <string>
#include <vector>

namespace dash::testing {

class MemoryFetcher : public builder::PackageFetcher {
 public:
  std::map<std::string, std::string> files;  // by URL
  std::vector<std::string> fetched;          // FetchRequest::shown

  void fetch(const std::vector<builder::FetchRequest>& requests, const Progress&, std::stop_token) override {
    for (const auto& request : requests) {
      fetched.push_back(request.shown);
      write_file_atomic(request.destination, files.at(request.url));
      if (request.completed) request.completed();
    }
  }
};

}  // namespace dash::testing
