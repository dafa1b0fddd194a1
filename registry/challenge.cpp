#include "registry/challenge.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dash::registry {

namespace {

constexpr std::string_view kBlank = " \t";
constexpr std::string_view kSeparators = " \t,=\"";

// Reads a field's value from left to right.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool at_end() const { return rest_.empty(); }
  void skip(std::string_view set) {
    const auto at = rest_.find_first_not_of(set);
    rest_ = at == std::string_view::npos ? std::string_view() : rest_.substr(at);
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view token() {
    const auto size = std::min(rest_.find_first_of(kSeparators), rest_.size());
    const auto out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return out;
  }
  // After the opening quote; an unclosed string ends with the text.
  std::string quoted_string() {
    std::string out;
    while (!rest_.empty() && !take('"')) {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      out += rest_.front();
      rest_.remove_prefix(1);
    }
    return out;
  }

 private:
  std::string_view rest_;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view field) {
  std::vector<Challenge> out;
  Scanner scan(field);
  for (;;) {
    scan.skip(" \t,");
    if (scan.at_end()) return out;
    const auto word = scan.token();
    if (word.empty()) {  // a stray '=' or '"'
      if (!scan.take('=') && scan.take('"')) scan.quoted_string();
      continue;
    }
    scan.skip(kBlank);
    if (!scan.take('=')) {
      out.push_back({to_lower(word), {}});
      continue;
    }
    scan.skip(kBlank);
    auto value = scan.take('"') ? scan.quoted_string() : std::string(scan.token());
    if (!out.empty()) out.back().parameters.emplace(to_lower(word), std::move(value));
  }
}

}  // namespace dash::registry
