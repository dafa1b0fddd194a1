#include "registry/url.hpp"

#include "base/text.hpp"

#include <array>
#include <memory>
#include <new>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>

namespace dash::registry {

namespace {

using Handle = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

Handle make_handle() {
  Handle out(curl_url(), &curl_url_cleanup);
  if (!out) throw std::bad_alloc();
  return out;
}

std::string part(CURLU* handle, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle, what, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, &curl_free);
  return owned.get();
}

bool has_control_character(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F) return true;
  return false;
}

std::optional<Url> take_apart(CURLU* handle) {
  Url out;
  out.scheme = part(handle, CURLUPART_SCHEME);
  if (out.scheme != "http" && out.scheme != "https") return std::nullopt;
  out.host = to_lower(part(handle, CURLUPART_HOST));
  if (out.host.starts_with('[')) out.host = out.host.substr(1, out.host.size() - 2);
  const auto port = parse_uint(part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT));
  if (out.host.empty() || !port || *port == 0 || *port > 65535) return std::nullopt;
  out.port = static_cast<std::uint16_t>(*port);
  out.path = part(handle, CURLUPART_PATH);
  out.query = part(handle, CURLUPART_QUERY);
  return out;
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  if (host.find(':') == host.rfind(':')) return host.substr(0, host.find(':'));
  return host;  // an IPv6 address without brackets
}

bool is_private(std::uint32_t address) {
  const auto in = [&](std::uint32_t network, int bits) {
    return (address >> (32 - bits)) == (network >> (32 - bits));
  };
  return in(0x00000000, 8) || in(0x0A000000, 8) || in(0x64400000, 10) || in(0x7F000000, 8) ||
         in(0xA9FE0000, 16) || in(0xAC100000, 12) || in(0xC0A80000, 16) || in(0xE0000000, 3);
}

}  // namespace

std::optional<Url> Url::parse(std::string_view text) {
  if (has_control_character(text)) return std::nullopt;
  const auto handle = make_handle();
  if (curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK)
    return std::nullopt;
  return take_apart(handle.get());
}

std::optional<Url> Url::resolve(std::string_view reference) const {
  if (has_control_character(reference)) return std::nullopt;
  const auto handle = make_handle();
  if (curl_url_set(handle.get(), CURLUPART_URL, to_string().c_str(), 0) != CURLUE_OK ||
      curl_url_set(handle.get(), CURLUPART_URL, std::string(reference).c_str(), 0) != CURLUE_OK)
    return std::nullopt;
  return take_apart(handle.get());
}

Url Url::with_parameter(std::string_view name, std::string_view value) const {
  auto out = *this;
  if (!out.query.empty()) out.query += '&';
  out.query += concat(percent_encode(name), '=', percent_encode(value));
  return out;
}

std::string Url::to_string() const {
  auto out = concat(scheme, "://", authority(), path);
  if (!query.empty()) out += '?' + query;
  return out;
}

std::string Url::authority() const {
  auto out = host.find(':') == std::string::npos ? host : concat('[', host, ']');
  if (port != (scheme == "https" ? 443 : 80)) out += concat(':', port);
  return out;
}

std::optional<std::pair<std::string, std::string>> user_info(std::string_view url) {
  const auto handle = make_handle();
  if (curl_url_set(handle.get(), CURLUPART_URL, std::string(url).c_str(), 0) != CURLUE_OK)
    return std::nullopt;
  auto user = part(handle.get(), CURLUPART_USER, CURLU_URLDECODE);
  auto password = part(handle.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
  if (user.empty() && password.empty()) return std::nullopt;
  return std::pair(std::move(user), std::move(password));
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  static constexpr std::string_view kUnreserved =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

bool is_loopback_host(std::string_view host) {
  const auto name = to_lower(without_port(host));
  if (name == "localhost" || name.ends_with(".localhost") || name == "::1") return true;
  in_addr v4{};
  return ::inet_pton(AF_INET, name.c_str(), &v4) == 1 && (ntohl(v4.s_addr) >> 24U) == 127;
}

bool is_private_address(std::string_view address) {
  const std::string text(address.substr(0, address.find('%')));  // without an IPv6 zone
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return is_private(ntohl(v4.s_addr));
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  const auto& bytes = v6.s6_addr;
  if (IN6_IS_ADDR_V4MAPPED(&v6))
    return is_private((std::uint32_t{bytes[12]} << 24U) | (std::uint32_t{bytes[13]} << 16U) |
                      (std::uint32_t{bytes[14]} << 8U) | bytes[15]);
  return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) ||
         (bytes[0] & 0xFEU) == 0xFC || bytes[0] == 0xFF;
}

}  // namespace dash::registry
