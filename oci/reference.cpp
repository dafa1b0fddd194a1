#include "oci/reference.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace dash::oci {

namespace {

constexpr std::string_view kLowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

bool is_one_of(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(ErrorCode::usage, concat(quoted(text), " is not an image name: ", why))
      .with_hint("names look like 'sales', 'team/sales:1.2' or 'registry.example:5000/team/sales:1.2'");
}

// One component of a repository: lower-case letters and digits, separated by '.', '_', '__' or dashes.
bool valid_component(std::string_view part) {
  if (part.empty() || !is_one_of(part.front(), kLowerDigits) || !is_one_of(part.back(), kLowerDigits))
    return false;
  for (std::size_t at = 0; at < part.size();) {
    if (is_one_of(part[at], kLowerDigits)) {
      ++at;
      continue;
    }
    const auto end = std::min(part.find_first_of(kLowerDigits, at), part.size());
    const auto separator = part.substr(at, end - at);
    const bool dashes = separator.find_first_not_of('-') == std::string_view::npos;
    if (separator != "." && separator != "_" && separator != "__" && !dashes) return false;
    at = end;
  }
  return true;
}

// The first component names a host when it has a dot or a port, or is "localhost" (the Docker rule).
bool names_host(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:[") != std::string_view::npos;
}

bool valid_host(std::string_view host) {
  const auto bracket = host.rfind(']');
  const auto colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const auto name = host.substr(0, colon);
  if (colon != std::string_view::npos) {
    const auto port = parse_uint(host.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return false;
  }
  if (name.starts_with('[')) return name.ends_with(']') && name.size() > 2;
  return !name.empty() &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") ==
             std::string_view::npos;
}

bool valid_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 && is_one_of(tag.front(), kWord) &&
         std::all_of(tag.begin(), tag.end(),
                     [](char c) { return is_one_of(c, kWord) || c == '.' || c == '-'; });
}

}  // namespace

Reference Reference::parse(std::string_view text) {
  Reference out;
  for (const std::string_view scheme : {"http://", "https://"})
    if (text.starts_with(scheme)) refuse(text, concat("leave out ", quoted(scheme)));
  auto rest = text;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    out.digest = Digest::try_parse(rest.substr(at + 1));
    if (!out.digest) refuse(text, "what follows '@' must be sha256:<64 hexadecimal digits>");
    rest = rest.substr(0, at);
  }
  const auto slash = rest.rfind('/');
  const auto colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    out.tag = rest.substr(colon + 1);
    if (!valid_tag(out.tag))
      refuse(text,
             "a tag has up to 128 letters, digits, '_', '.' and '-', and starts with none of '.' and '-'");
    rest = rest.substr(0, colon);
  }
  if (const auto first = rest.find('/');
      first != std::string_view::npos && names_host(rest.substr(0, first))) {
    out.registry = rest.substr(0, first);
    if (!valid_host(out.registry))
      refuse(text, concat(quoted(out.registry), " is not a host name with an optional port"));
    rest = rest.substr(first + 1);
  }
  out.repository = rest;
  if (rest.empty()) refuse(text, "the repository is missing");
  if (rest.size() > 255) refuse(text, "the repository is longer than 255 characters");
  for (const auto part : split(rest, '/'))
    if (!valid_component(part))
      refuse(text, concat("the repository part ", quoted(part),
                          " must be lower-case letters and digits, separated by '.', '_', '__' or '-'"));
  return out;
}

Reference Reference::with_default_tag() const {
  auto out = *this;
  if (out.tag.empty() && !out.digest) out.tag = "latest";
  return out;
}

std::string Reference::to_string() const {
  std::string out = registry.empty() ? repository : concat(registry, '/', repository);
  if (!tag.empty()) out += ':' + tag;
  if (digest) out += '@' + digest->to_string();
  return out;
}

std::string_view without_transport(std::string_view name) {
  if (name.starts_with(kRegistryTransport)) name.remove_prefix(kRegistryTransport.size());
  return name;
}

}  // namespace dash::oci
