#include "builder/app/glob.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <utility>

namespace dash::builder {

namespace {

// Code points; bytes that are not UTF-8 are mapped behind the last one, so that they equal only themselves.
std::u32string characters(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    const auto part = text.substr(at, length);
    if (length == 1) {
      out += lead;
    } else if (part.size() == length && is_utf8(part)) {
      char32_t point = lead & (0xFFU >> (length + 1));
      for (std::size_t i = 1; i < length; ++i)
        point = point << 6U | (static_cast<unsigned char>(part[i]) & 0x3FU);
      out += point;
    } else {
      out += static_cast<char32_t>(0x110000U + lead);
      ++at;
      continue;
    }
    at += length;
  }
  return out;
}

}  // namespace

class Glob::Compiler {
 public:
  Compiler(std::string_view pattern, Dialect dialect) : text_(characters(pattern)), dialect_(dialect) {}

  std::optional<std::vector<Token>> run() {
    if (dialect_ == Dialect::slug) anchor();
    while (at_ < text_.size()) {
      const char32_t c = text_[at_++];
      if (c == U'*')
        stars();
      else if (c == U'?')
        add(Token::Kind::any);
      else if (c == U'[') {
        if (!set()) return std::nullopt;
      } else if (c == U'\\' && at_ < text_.size())
        add_character(text_[at_++]);
      else
        add_character(c);
    }
    return std::move(tokens_);
  }

 private:
  void add(Token::Kind kind) { tokens_.push_back({kind, 0, {}, false}); }
  void add_character(char32_t c) { tokens_.push_back({Token::Kind::character, c, {}, false}); }

  void anchor() {
    if (text_.find(U'/') == std::u32string::npos)
      add(Token::Kind::parents);
    else if (text_.front() == U'/')
      at_ = 1;
  }

  bool next_is(char32_t c) const { return at_ < text_.size() && text_[at_] == c; }

  void stars() {
    const auto start = at_ - 1;
    if (!next_is(U'*')) return add(Token::Kind::star);
    if (dialect_ == Dialect::docker) {
      ++at_;
      if (next_is(U'/'))
        ++at_;
      else if (start == 0 && text_.find_first_of(U"*?[]\\", at_) == std::u32string::npos)
        return add(Token::Kind::everything);  // moby compares "**text" as a suffix
      return add(at_ == text_.size() ? Token::Kind::everything : Token::Kind::parents);
    }
    while (next_is(U'*')) ++at_;
    const bool part_starts = start == 0 || text_[start - 1] == U'/';
    if (part_starts && next_is(U'/')) {
      ++at_;
      return add(Token::Kind::parents);
    }
    add(part_starts && at_ == text_.size() ? Token::Kind::everything : Token::Kind::star);
  }

  // After the "[": up to its "]", which stands for itself as first character.
  bool set() {
    Token token{Token::Kind::set, 0, {}, false};
    if (next_is(U'^') || (dialect_ == Dialect::slug && next_is(U'!'))) {
      token.negated = true;
      ++at_;
    }
    for (bool first = true;; first = false) {
      if (at_ >= text_.size()) return false;
      if (text_[at_] == U']' && !first) break;
      const auto low = set_character();
      if (!low) return false;
      auto high = low;
      if (next_is(U'-') && at_ + 1 < text_.size() && text_[at_ + 1] != U']') {
        ++at_;
        high = set_character();
        if (!high) return false;
      }
      token.ranges.emplace_back(*low, *high);
    }
    ++at_;
    tokens_.push_back(std::move(token));
    return true;
  }

  std::optional<char32_t> set_character() {
    if (text_[at_] == U'\\') ++at_;
    if (at_ >= text_.size()) return std::nullopt;
    return text_[at_++];
  }

  std::u32string text_;
  Dialect dialect_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

std::optional<Glob> Glob::compile(std::string_view pattern, Dialect dialect) {
  auto tokens = Compiler(pattern, dialect).run();
  if (!tokens) return std::nullopt;
  Glob out;
  out.tokens_ = std::move(*tokens);
  return out;
}

bool Glob::Token::accepts(char32_t c) const {
  switch (kind) {
    case Kind::character:
      return c == character;
    case Kind::any:
    case Kind::star:
      return c != U'/';
    case Kind::set:
      return c != U'/' && negated != std::any_of(ranges.begin(), ranges.end(), [c](const auto& range) {
                            return c >= range.first && c <= range.second;
                          });
    case Kind::everything:
    case Kind::parents:
      return true;
  }
  return false;
}

// Marks `state` (before the token of that number) and what is reached from it without a character.
void Glob::enter(std::vector<char>& active, std::size_t state) const {
  for (; active[state] == 0; ++state) {
    active[state] = 1;
    if (state == tokens_.size()) return;
    const auto kind = tokens_[state].kind;
    if (kind != Token::Kind::star && kind != Token::Kind::everything && kind != Token::Kind::parents) return;
  }
}

bool Glob::matches(std::string_view path) const {
  std::vector<char> active(tokens_.size() + 1);
  std::vector<char> next(active.size());
  enter(active, 0);
  for (const char32_t c : characters(path)) {
    std::fill(next.begin(), next.end(), 0);
    bool alive = false;
    // "parents" states are revisited without their way out, which opens only after a "/": marked last.
    for (std::size_t state = 0; state < tokens_.size(); ++state) {
      if (active[state] == 0 || !tokens_[state].accepts(c)) continue;
      alive = true;
      switch (tokens_[state].kind) {
        case Token::Kind::star:
        case Token::Kind::everything:
          enter(next, state);
          break;
        case Token::Kind::parents:
          if (c == U'/') enter(next, state + 1);
          next[state] |= 2;
          break;
        default:
          enter(next, state + 1);
          break;
      }
    }
    if (!alive) return false;
    std::swap(active, next);
  }
  return active.back() != 0;
}

}  // namespace dash::builder
