// uv's explanations taken apart: sentences as words, and what they say about who needs what. The wording is
// that of the pinned release (see resolve_failure.hpp).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder::uv_sentences {

// A text as words without the punctuation that ends them; they refer to the text. A specifier is one word for
// uv: "alpha>=2".
using Words = std::vector<std::string_view>;
Words words_of(std::string_view text);

// Whether the words from `at` on are those of the phrase.
bool matches(const Words& words, std::size_t at, std::string_view phrase);

// The normal name in a specifier: "alpha[x]>=2" → "alpha".
std::string name_of(std::string_view spec);

// The first text between two of `quote`; empty: there is none.
std::string_view between(std::string_view text, char quote);

// The first URL between '…'; empty: there is none.
std::string_view quoted_url(std::string_view text);

// What one package, or the app, asks of another: "beta" (of any version) needs "alpha<2".
struct Demand {
  std::string_view by;  // empty: the app
  std::string_view spec;
};

// Whether the app's constraints say exactly this: uv does not tell whose a limit is.
using IsLimit = std::function<bool(std::string_view spec)>;

// "A depends on B", "all versions of A depend on B", "you require A and B", each once, in the order of the
// text.
std::vector<Demand> demands(const Words& words, const IsLimit& is_limit);

}  // namespace dash::builder::uv_sentences
