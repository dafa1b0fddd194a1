#include "builder/python/uv_sentences.hpp"

#include "base/text.hpp"
#include "builder/packages/package_name.hpp"

#include <algorithm>

namespace dash::builder::uv_sentences {

namespace {

class DemandReader {
 public:
  DemandReader(const Words& words, const IsLimit& is_limit) : words_(words), is_limit_(is_limit) {}

  std::vector<Demand> read() {
    for (std::size_t i = 0; i + 1 < words_.size(); ++i) {
      if (i > 0 && (matches(words_, i, "depends on") || matches(words_, i, "depend on")) &&
          i + 2 < words_.size())
        dependencies(i);
      // Not of "we can conclude that you require …".
      if (matches(words_, i, "you require") && (i == 0 || words_[i - 1] != "that")) requirements(i + 2);
    }
    return std::move(out_);
  }

 private:
  void add(std::string_view by, std::string_view spec) {
    const bool known = std::ranges::any_of(
        out_, [&](const Demand& demand) { return demand.by == by && demand.spec == spec; });
    if (!known && !spec.starts_with("Python")) out_.push_back({by, spec});
  }

  // "A and B", up to the "and" that begins another clause.
  void requirements(std::size_t at) {
    for (; at < words_.size(); at += 2) {
      add({}, words_[at]);
      if (at + 2 >= words_.size() || words_[at + 1] != "and" || words_[at + 2] == "we" ||
          words_[at + 2] == "you" || words_[at + 2].starts_with("all") ||
          matches(words_, at + 3, "depends on"))
        return;
    }
  }

  // "A depends on B", and "A depends on B and C", where C may be a limit of the app's.
  void dependencies(std::size_t at) {
    add(words_[at - 1], words_[at + 2]);
    for (auto next = at + 3; next + 1 < words_.size() && words_[next] == "and"; next += 2) {
      const auto spec = words_[next + 1];
      if (spec.find_first_of("<>=!~") == std::string_view::npos ||
          (next + 2 < words_.size() && words_[next + 2] != "and" && words_[next + 2] != "we"))
        return;
      add(is_limit_(spec) ? std::string_view() : words_[at - 1], spec);
    }
  }

  const Words& words_;
  const IsLimit& is_limit_;
  std::vector<Demand> out_;
};

}  // namespace

Words words_of(std::string_view text) {
  Words out;
  for (auto word : split_words(text)) {
    while (!word.empty() && (word.ends_with(',') || word.ends_with('.'))) word.remove_suffix(1);
    if (!word.empty()) out.push_back(word);
  }
  return out;
}

bool matches(const Words& words, std::size_t at, std::string_view phrase) {
  for (const auto word : split_words(phrase))
    if (at >= words.size() || words[at++] != word) return false;
  return true;
}

std::string name_of(std::string_view spec) {
  return normal_package_name(spec.substr(0, spec.find_first_of("<>=!~[ ")));
}

std::string_view between(std::string_view text, char quote) {
  const auto start = text.find(quote);
  if (start == std::string_view::npos) return {};
  const auto end = text.find(quote, start + 1);
  return end == std::string_view::npos ? std::string_view() : text.substr(start + 1, end - start - 1);
}

std::string_view quoted_url(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return {};
  const auto start = text.rfind('\'', scheme);
  const auto end = text.find('\'', scheme);
  if (start == std::string_view::npos || end == std::string_view::npos) return {};
  return text.substr(start + 1, end - start - 1);
}

std::vector<Demand> demands(const Words& words, const IsLimit& is_limit) {
  return DemandReader(words, is_limit).read();
}

}  // namespace dash::builder::uv_sentences
