#include "registry/proxies.hpp"

#include "base/text.hpp"

#include <array>
#include <cstdint>
#include <optional>

#include <arpa/inet.h>

namespace dash::registry {

namespace {

struct Address {
  std::array<std::uint8_t, sizeof(in6_addr)> bytes{};
  unsigned bits = 0;  // of its family
};

std::optional<Address> parse_address(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  const std::string name(text);
  Address out;
  if (::inet_pton(AF_INET, name.c_str(), out.bytes.data()) == 1) {
    out.bits = 32;
    return out;
  }
  if (::inet_pton(AF_INET6, name.c_str(), out.bytes.data()) == 1) {
    out.bits = 128;
    return out;
  }
  return std::nullopt;
}

bool in_network(const Address& address, std::string_view network) {
  const auto slash = network.find('/');
  const auto base = parse_address(network.substr(0, slash));
  if (!base || base->bits != address.bits) return false;
  auto bits = std::uint64_t{base->bits};
  if (slash != std::string_view::npos) {
    const auto length = parse_uint(network.substr(slash + 1));
    if (!length || *length > bits) return false;
    bits = *length;
  }
  for (std::size_t i = 0; bits > 0; ++i) {
    const auto here = bits < 8 ? bits : 8;
    const auto mask = 0xFFU << (8U - here);
    if (((address.bytes.at(i) ^ base->bytes.at(i)) & mask & 0xFFU) != 0) return false;
    bits -= here;
  }
  return true;
}

std::string variable(const std::map<std::string, std::string>& variables, std::string_view name) {
  for (const auto& [key, value] : variables)
    if (to_lower(key) == name) return value;
  return {};
}

}  // namespace

bool in_no_proxy(std::string_view list, std::string_view host) {
  std::string spaced(list);
  for (auto& c : spaced)
    if (c == ',') c = ' ';
  const auto name = to_lower(host);
  const auto address = parse_address(host);
  for (const auto word : split_words(spaced)) {
    if (word == "*") return true;
    if (address) {
      if (in_network(*address, word)) return true;
      continue;
    }
    auto entry = to_lower(word);
    if (entry.starts_with("*.")) entry.erase(0, 1);
    if (entry.starts_with('.')) entry.erase(0, 1);
    if (entry.empty()) continue;
    if (name == entry || name.ends_with(concat('.', entry))) return true;
  }
  return false;
}

std::string proxy_for(const Url& url, const std::map<std::string, std::string>& variables) {
  if (is_loopback_host(url.host) || in_no_proxy(variable(variables, "no_proxy"), url.host)) return {};
  auto out = variable(variables, concat(url.scheme, "_proxy"));
  return out.empty() ? variable(variables, "all_proxy") : out;
}

}  // namespace dash::registry
