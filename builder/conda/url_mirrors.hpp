// Servers that a machine has instead of others (the setting conda_mirrors): prefixes of URLs.
//
// Conda is told the mirrors' URLs. What it answers, locks and images have the others: they do not depend on
// where something was downloaded.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

class UrlMirrors {
 public:
  // "FROM=TO" each, URLs without credentials, as in "https://conda.example/main=http://mirror.example/main".
  // Error(usage) that says what is wrong.
  static UrlMirrors parse(const std::vector<std::string>& settings);

  bool empty() const { return mirrors_.empty(); }
  // The URL at the mirror, without password and token; of several with a fitting prefix that with the
  // longest. Others stay as they are.
  std::string at_mirror(std::string_view url) const;
  // Whether it is a mirror's URL, or has one.
  bool reaches(std::string_view url) const;

  // A text with its URLs at the mirrors, and with those of mirrors as they were.
  std::string to_mirrors(std::string_view text) const;
  std::string from_mirrors(std::string_view text) const;

 private:
  struct Mirror {
    std::string from;  // without "/" at the end
    std::string to;
  };
  static const Mirror* find(const std::vector<Mirror>& mirrors, std::string_view url,
                            std::string Mirror::*side);
  static std::string replace(std::string_view text, const std::vector<Mirror>& mirrors,
                             std::string Mirror::*side, std::string Mirror::*other);
  std::vector<Mirror> mirrors_;
};

// Whether the URL is `base` or a part of its path: prefixes end where parts do.
bool is_below(std::string_view url, std::string_view base);

// The http(s) URLs in a text, without credentials.
std::vector<std::string> urls_in(std::string_view text);

}  // namespace dash::builder
