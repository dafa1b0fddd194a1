// Why a request got no answer, and what to do about it: libcurl's codes as TransferErrors.
#pragma once

#include "registry/http_client.hpp"

#include <string>

namespace dash::registry {

// What is known of a transfer that failed.
struct FailedTransfer {
  const HttpRequest& request;
  int code = 0;            // a CURLcode
  std::string text;        // what libcurl says about it
  long proxy_status = 0;   // of the proxy's answer to CONNECT; 0: none
  std::string proxy = {};  // empty: none
  bool head_complete = false;
  bool refused_address = false;  // HttpRequest::Addresses::public_only
};

// The error with its hint. `ca_bundle` is HttpSettings'.
TransferError explain(const FailedTransfer& failed, const fs::path& ca_bundle);

}  // namespace dash::registry
