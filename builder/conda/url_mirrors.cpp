#include "builder/conda/url_mirrors.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr std::string_view kScheme = "://";
constexpr std::string_view kInScheme = "abcdefghijklmnopqrstuvwxyz";

// What a URL ends before, in YAML, JSON and requirement lines.
bool ends_url(char c) {
  return static_cast<unsigned char>(c) <= ' ' ||
         std::string_view("\"'<>[]{},;#\\").find(c) != std::string_view::npos;
}

bool is_url(std::string_view text) {
  const auto scheme = text.substr(0, text.find(kScheme));
  return (scheme == "http" || scheme == "https" || scheme == "file") &&
         scheme.size() + kScheme.size() < text.size() && std::ranges::none_of(text, ends_url);
}

// Where a URL starts at or after `from`, and npos when there is none.
std::size_t next_url(std::string_view text, std::size_t from) {
  const auto colon = text.find(kScheme, from);
  if (colon == std::string_view::npos) return colon;
  auto start = colon;
  while (start > from && kInScheme.find(text[start - 1]) != std::string_view::npos) --start;
  return start;
}

std::size_t url_end(std::string_view text, std::size_t start) {
  while (start < text.size() && !ends_url(text[start])) ++start;
  return start;
}

}  // namespace

UrlMirrors UrlMirrors::parse(const std::vector<std::string>& settings) {
  UrlMirrors out;
  for (const std::string& setting : settings) {
    // URLs may have "=" too, but no scheme after it.
    auto at = std::string::npos;
    for (const auto* scheme : {"=http://", "=https://", "=file://"}) at = std::min(at, setting.find(scheme));
    Mirror mirror;
    if (at != std::string::npos) mirror = {setting.substr(0, at), setting.substr(at + 1)};
    for (std::string* side : {&mirror.from, &mirror.to}) {
      while (side->ends_with('/')) side->pop_back();
      if (!is_url(*side) || redact_url(*side) != *side)
        throw Error(ErrorCode::usage,
                    concat("the mirror ", dash::quoted(redact_url(setting)), " is not FROM=TO"))
            .with_hint(
                "Both are URLs without user names and passwords, as in "
                "https://conda.example/main=http://mirror.example/main; passwords are for the netrc file.");
    }
    if (std::ranges::find(out.mirrors_, mirror.to, &Mirror::to) != out.mirrors_.end())
      throw Error(ErrorCode::usage, concat("two mirrors are at ", mirror.to))
          .with_hint("What comes from it could not be told apart: give each channel a place of its own.");
    out.mirrors_.push_back(std::move(mirror));
  }
  return out;
}

const UrlMirrors::Mirror* UrlMirrors::find(const std::vector<Mirror>& mirrors, std::string_view url,
                                           std::string Mirror::*side) {
  const Mirror* best = nullptr;
  for (const Mirror& mirror : mirrors) {
    const std::string& prefix = mirror.*side;
    // As in "https://conda.example/main::numpy".
    const bool is_channel = url.starts_with(prefix) && url.substr(prefix.size()).starts_with("::");
    const bool fits = is_channel || is_below(url, prefix);
    if (fits && (best == nullptr || prefix.size() > (best->*side).size())) best = &mirror;
  }
  return best;
}

std::string UrlMirrors::replace(std::string_view text, const std::vector<Mirror>& mirrors,
                                std::string Mirror::*side, std::string Mirror::*other) {
  std::string out;
  std::size_t done = 0;
  for (auto start = next_url(text, 0); start != std::string_view::npos; start = next_url(text, done)) {
    const auto end = url_end(text, start + kScheme.size());
    const auto url = text.substr(start, end - start);
    out += text.substr(done, start - done);
    // Passwords and tokens are the original server's.
    const std::string plain = redact_url(url);
    const Mirror* mirror = find(mirrors, plain, side);
    out +=
        mirror == nullptr ? std::string(url) : concat(mirror->*other, plain.substr((mirror->*side).size()));
    done = end;
  }
  out += text.substr(done);
  return out;
}

std::string UrlMirrors::at_mirror(std::string_view url) const {
  return replace(url, mirrors_, &Mirror::from, &Mirror::to);
}

bool UrlMirrors::reaches(std::string_view url) const {
  const std::string plain = redact_url(url);
  return find(mirrors_, plain, &Mirror::from) != nullptr || find(mirrors_, plain, &Mirror::to) != nullptr;
}

std::string UrlMirrors::to_mirrors(std::string_view text) const {
  return replace(text, mirrors_, &Mirror::from, &Mirror::to);
}

std::string UrlMirrors::from_mirrors(std::string_view text) const {
  return replace(text, mirrors_, &Mirror::to, &Mirror::from);
}

bool is_below(std::string_view url, std::string_view base) {
  while (base.ends_with('/')) base.remove_suffix(1);
  return !base.empty() && url.starts_with(base) && (url.size() == base.size() || url[base.size()] == '/');
}

std::vector<std::string> urls_in(std::string_view text) {
  std::vector<std::string> out;
  std::size_t end = 0;
  for (auto start = next_url(text, 0); start != std::string_view::npos; start = next_url(text, end)) {
    end = url_end(text, start + kScheme.size());
    const auto url = text.substr(start, end - start);
    if (url.starts_with("http")) out.push_back(redact_url(url));
  }
  return out;
}

}  // namespace dash::builder
