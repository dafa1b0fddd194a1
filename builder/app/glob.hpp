// Path patterns of the two ignore files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// A compiled pattern. It matches whole paths ("src/a.txt"), in time proportional to pattern × path whatever
// the pattern is. Characters are UTF-8 code points; a byte that is not UTF-8 counts as one character of its
// own.
class Glob {
 public:
  // `docker`: moby's patternmatcher. "*" and "?" stop at "/", "**" does not, "\" escapes, "[^a-z]" is a set.
  // `slug`: gitignore(5) without negation. Without a "/" in it (the last character aside) it matches at any
  // depth;
  // "[!a]" is a set too.
  enum class Dialect { docker, slug };

  // Nothing when a set is not closed.
  static std::optional<Glob> compile(std::string_view pattern, Dialect dialect);

  bool matches(std::string_view path) const;

 private:
  struct Token {
    enum class Kind {
      character,   // this one
      any,         // one, not "/"
      set,         // one of `ranges`, not "/"
      star,        // any run without "/"
      everything,  // any run
      parents      // nothing, or any run that ends with "/"
    } kind = Kind::character;
    char32_t character = 0;
    std::vector<std::pair<char32_t, char32_t>> ranges;
    bool negated = false;

    bool accepts(char32_t c) const;
  };
  class Compiler;

  void enter(std::vector<char>& active, std::size_t state) const;

  std::vector<Token> tokens_;
};

}  // namespace dash::builder
