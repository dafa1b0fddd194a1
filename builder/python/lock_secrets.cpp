#include "builder/python/lock_secrets.hpp"

#include "base/text.hpp"
#include "builder/python/uv_run.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

// Shorter values are replaced only where they are whole words: "1.0" is no secret.
constexpr std::size_t kSurelySecret = 8;

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::size_t authority_end(std::string_view url, std::size_t start) {
  return std::min(url.find_first_of("/?#", start), url.size());
}

// "https://host" of "https://host/path".
std::string_view origin_of(std::string_view url) {
  const auto scheme = url.find("://");
  return scheme == std::string_view::npos ? url : url.substr(0, authority_end(url, scheme + 3));
}

std::size_t common_length(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    const auto end = at + from.size();
    const bool whole = (at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]));
    if (!whole && from.size() < kSurelySecret) {
      ++at;
      continue;
    }
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

}  // namespace

LockSecrets::LockSecrets(const RequirementsFiles& requirements, const UvSettings& settings,
                         const std::map<std::string, std::string>& variables) {
  for (const auto& name : requirements.variables)
    if (const auto found = variables.find(name); found != variables.end() && !found->second.empty())
      variables_.emplace_back(*found);
  std::ranges::stable_sort(variables_, std::ranges::greater(), [](const auto& v) { return v.second.size(); });
  for (const auto& line : requirements.lines) add_logins(expanded(line.text));
  for (const auto& [name, value] : settings.environment) add_logins(value);
}

void LockSecrets::add_logins(std::string_view text) {
  for (auto at = text.find("://"); at != std::string_view::npos; at = text.find("://", at + 3)) {
    const auto before =
        text.substr(0, at).find_last_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    const auto start = before == std::string_view::npos ? 0 : before + 1;
    const auto url = text.substr(start, text.find_first_of(" ,;\t", start) - start);
    const auto host = at - start + 3;
    const auto user = url.substr(host, authority_end(url, host) - host).rfind('@');
    if (user == std::string_view::npos) continue;
    logins_.push_back({without_credentials(url), std::string(url.substr(host, user))});
  }
}

std::string LockSecrets::with_names(std::string_view url) const {
  std::string out(url);
  for (const auto& [name, value] : variables_) replace_all(out, value, concat("${", name, '}'));
  return out;
}

std::string LockSecrets::expanded(std::string_view text) const {
  std::string out(text);
  for (const auto& [name, value] : variables_) {
    const auto pattern = concat("${", name, '}');
    for (auto at = out.find(pattern); at != std::string::npos; at = out.find(pattern, at + value.size()))
      out.replace(at, pattern.size(), value);
  }
  return out;
}

std::string LockSecrets::hide(std::string_view text) const {
  const auto plain = without_credentials(text);
  std::string_view rest = plain;
  std::string out;
  for (auto at = rest.find("://"); at != std::string_view::npos; at = rest.find("://")) {
    const auto end = std::min(rest.find_first_of("\"'\n", at), rest.size());
    out += rest.substr(0, at + 3);
    out += with_names(rest.substr(at + 3, end - at - 3));
    rest.remove_prefix(end);
  }
  return out + std::string(rest);
}

void LockSecrets::reveal(std::string& url) const {
  if (url.empty()) return;
  url = expanded(url);
  if (without_credentials(url) != url) return;
  const Login* best = nullptr;
  for (const auto& login : logins_)
    if (origin_of(login.url) == origin_of(url) &&
        (best == nullptr || common_length(login.url, url) > common_length(best->url, url)))
      best = &login;
  if (best != nullptr) url.insert(url.find("://") + 3, concat(best->user, '@'));
}

void LockSecrets::reveal(Lock& lock) const {
  for (auto& package : lock.packages) {
    for (auto& wheel : package.wheels) reveal(wheel.url);
    for (auto* file : {&package.sdist, &package.archive})
      if (*file) reveal((*file)->url);
    if (package.vcs) reveal(package.vcs->url);
  }
}

}  // namespace dash::builder
