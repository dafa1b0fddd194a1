// URLs as registries use them: taken apart, resolved against each other (RFC 3986), compared.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace dash::registry {

// An absolute http or https URL. A user name and password in it are dropped: nothing here sends them.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 address without brackets
  std::uint16_t port = 0;
  std::string path;   // starts with '/'
  std::string query;  // without '?'; may be empty

  // Nothing when the text is no absolute http or https URL.
  static std::optional<Url> parse(std::string_view text);
  // `reference` seen from here ("../x", "/x", "?y", "//host/x", absolute); nothing when it makes no such URL.
  std::optional<Url> resolve(std::string_view reference) const;
  // With `name=value` added to the query, percent-encoded.
  Url with_parameter(std::string_view name, std::string_view value) const;

  std::string to_string() const;
  // "host:port", the port left out when it is the scheme's own.
  std::string authority() const;
  bool same_origin(const Url& other) const {
    return scheme == other.scheme && host == other.host && port == other.port;
  }
};

// User name and password in a URL, decoded; nothing when it has none.
std::optional<std::pair<std::string, std::string>> user_info(std::string_view url);

// RFC 3986 §2.1: everything but unreserved characters as %XX.
std::string percent_encode(std::string_view text);

// "localhost", a name below it, or an address of the loopback network (also with a port or in brackets).
bool is_loopback_host(std::string_view host);

// An IP address in text that is not reachable from the public internet: loopback, link-local, private
// (RFC 1918, RFC 4193), shared (RFC 6598), unspecified, multicast. False for names.
bool is_private_address(std::string_view address);

}  // namespace dash::registry
