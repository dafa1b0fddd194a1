#include "base/text.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using Words = std::vector<std::string>;

namespace {
Words copy(const std::vector<std::string_view>& views) {
  return {views.begin(), views.end()};
}
}  // namespace

TEST_CASE("concat joins strings, characters and numbers") {
  const std::string word = "b";
  CHECK(concat("a", word, 'c', 1, -2, std::uint64_t{18446744073709551615U}) == "abc1-218446744073709551615");
  CHECK(concat().empty());
}

TEST_CASE("trim, split, words, lines, join") {
  CHECK(trim(" \t\r\n\v\fa b \n") == "a b");
  CHECK(trim(" \n").empty());
  CHECK(copy(split("a,,b", ',')) == Words{"a", "", "b"});
  CHECK(copy(split("", ',')) == Words{""});
  CHECK(copy(split(",", ',')) == Words{"", ""});
  CHECK(copy(split_words("  a \t b\nc ")) == Words{"a", "b", "c"});
  CHECK(split_words(" ").empty());
  CHECK(copy(split_lines("\xEF\xBB\xBF"
                         "a\r\nb\n\nc")) == Words{"a", "b", "", "c"});
  CHECK(copy(split_lines("a\n")) == Words{"a"});
  CHECK(copy(split_lines("\n")) == Words{""});
  CHECK(split_lines("").empty());
  CHECK(join({"a", "", "b"}, "--") == "a----b");
  CHECK(join({}, "-").empty());
  CHECK(join({"", ""}, "-") == "-");
}

TEST_CASE("numbers fill their whole text") {
  CHECK(parse_uint("0") == 0U);
  CHECK(parse_uint("18446744073709551615") == 18446744073709551615U);
  for (const char* bad : {"", " 1", "1 ", "+1", "-1", "0x1", "18446744073709551616", "1.0"})
    CHECK_FALSE(parse_uint(bad));
}

TEST_CASE("UTF-8 is well formed or not") {
  for (const std::string_view good :
       {"", "abc", "ü", "日本", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"})
    CHECK(is_utf8(good));
  // Lone and missing continuations, overlong forms, surrogates, beyond the last code point.
  for (const std::string_view bad :
       {"\x80", "\xC3", "\xC3(", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"})
    CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("sizes for people") {
  CHECK(human_size(0) == "0 B");
  CHECK(human_size(999) == "999 B");
  CHECK(human_size(1000) == "1.0 kB");
  CHECK(human_size(1234567) == "1.2 MB");
  CHECK(human_size(340000) == "340 kB");
  CHECK(human_size(999'999) == "1.0 MB");
  CHECK(human_size(99'960) == "100 kB");
  CHECK(human_size(18446744073709551615U) == "18446744 TB");
}

TEST_CASE("text for messages, shells and logs") {
  CHECK(quoted("a\nb\x7f\x01") == "'a\\x0ab\\x7f\\x01'");
  CHECK(quoted("ü") == "'ü'");
  CHECK(quoted("\xc3\x28") == "'\\xc3('");
  CHECK(shell_join({"ls", "-l", "a b", "", "it's", "$HOME"}) == "ls -l 'a b' '' 'it'\\''s' '$HOME'");
  CHECK(to_lower("AbCÄ") == "abcÄ");
  CHECK(contains("abc", "bc"));
  CHECK_FALSE(contains("abc", "cb"));
}

TEST_CASE("URLs lose what is secret") {
  CHECK(redact_url("https://user:pa@ss@host.example/p?token=1#x") == "https://host.example/p");
  CHECK(redact_url("https://token@host.example") == "https://host.example");
  CHECK(redact_url("https://host.example/t/TOKEN/channel/x") == "https://host.example/channel/x");
  CHECK(redact_url("https://u:p@host.example/t/TOKEN") == "https://host.example");
  CHECK(redact_url("https://host.example/a/t/b") == "https://host.example/a/t/b");
  CHECK(redact_url("https://host.example/a@b") == "https://host.example/a@b");
  CHECK(redact_url("file.txt?x") == "file.txt");
}

TEST_CASE("the distance between two texts") {
  CHECK(edit_distance("libpq-dev", "libpq-dev", 2) == 0);
  CHECK(edit_distance("libpq-dev", "libqp-dve", 2) == 2);
  CHECK(edit_distance("kitten", "sitting", 5) == 3);
  CHECK(edit_distance("kitten", "sitting", 2) == 3);  // one more than the limit
  CHECK(edit_distance("", "abc", 5) == 3);
  CHECK(edit_distance("", "abc", 1) == 2);
  CHECK(edit_distance("ab", "ba", 2) == 1);
}
