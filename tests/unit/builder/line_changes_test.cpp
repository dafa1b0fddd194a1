#include "builder/line_changes.hpp"

#include "builder/app/text_file.hpp"
#include "builder/step_inputs.hpp"

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;

TEST_CASE("changed lines are told as a person would") {
  using Lines = std::vector<std::string>;
  struct Case {
    Lines before;
    Lines now;
    const char* said;
  };
  const Case cases[] = {
      {{"a==1"}, {"a==1"}, ""},
      {{"pandas==2.2.2", "b"}, {"pandas==2.2.3", "b"}, "pandas==2.2.2 → pandas==2.2.3"},
      {{"Flask_Caching>=1"}, {"flask-caching"}, "Flask_Caching>=1 → flask-caching"},
      {{"a"}, {"a", "b[x]==2"}, "+ b[x]==2"},
      {{"a", "b"}, {"b"}, "- a"},
      {{"a", "a"}, {"a"}, "- a"},
      {{"a", "b"}, {"b", "a"}, "the order of its lines"},
      {{"-r a.txt"}, {"-r b.txt"}, "+ -r b.txt, - -r a.txt"},
      {{"https://h.example/a.whl"},
       {"https://h.example/b.whl"},
       "+ https://h.example/b.whl, - https://h.example/a.whl"},
      {{"a @ https://h.example/1.whl"}, {"a==1"}, "a @ https://h.example/1.whl → a==1"},
      {{}, {"a", "b", "c", "d"}, "+ a, + b, + c, + d"},
      {{"a"}, {"b", "c", "d", "e"}, "+ b, + c, + d, 2 more lines"},
  };
  for (const auto& c : cases) CHECK(describe_lines(c.before, c.now) == c.said);
  CHECK(describe_lines({}, {std::string(59, 'x') + "äy"}) == "+ " + std::string(59, 'x') + "...");
}

TEST_CASE("what is shown of lines has no secrets") {
  CHECK(shown_lines({"a @ https://me:pw@h.example/a.whl?sig=1#x ; python_version > '3'",
                     "-i http://t@h.example/", "b==1 --hash=sha256:00 --hash sha256:11 --no-binary x",
                     "c\td"}) ==
        std::vector<std::string>{"a @ https://***@h.example/a.whl?*** ; python_version > '3'",
                                 "-i http://***@h.example/", "b==1 --no-binary x", "c d"});
}

TEST_CASE("a changed file is told by its lines") {
  const std::vector<Leaf> before = {{"requirements.txt", "sha256:11"}};
  const std::vector<Leaf> now = {{"requirements.txt", "sha256:22"}};
  CHECK(describe_change(before, now, {{"requirements.txt", {"a==1"}}}, {{"requirements.txt", {"a==2"}}}) ==
        "requirements.txt changed: a==1 → a==2");
  CHECK(describe_change(before, now, {{"requirements.txt", {"a==1"}}}, {{"requirements.txt", {"a==1"}}}) ==
        "requirements.txt changed where hashes or passwords stand");
  CHECK(describe_change(before, now, {}, {{"requirements.txt", {"a==1"}}}) == "requirements.txt changed");
}

TEST_CASE("leaves of one name are compared in their order") {
  const std::vector<Leaf> before = {{"option", "x"}, {"option", "y"}, {"old", "1"}};
  const std::vector<Leaf> now = {{"option", "x"}, {"option", "z"}, {"option", "w"}};
  CHECK(compare_leaves(before, now) == std::vector<ComparedLeaf>{{{"option", "x"}, "x"},
                                                                 {{"option", "z"}, "y"},
                                                                 {{"option", "w"}, std::nullopt}});
  CHECK(describe_change(before, now) == "option changed (y → z), option is new, old is gone");
  CHECK(describe_change({{"a", "1"}, {"b", "2"}}, {{"b", "2"}, {"a", "1"}}) ==
        "the order of its inputs changed");
}

TEST_CASE("files that changed are named") {
  const std::vector<Leaf> before = {{"source", "sha256:" + std::string(64, '1')}};
  const std::vector<Leaf> now = {{"source", "sha256:" + std::string(64, '2')}};
  const auto change = [&](std::vector<std::string> old_files, std::vector<std::string> files) {
    return describe_change(before, now, {{"source", std::move(old_files)}}, {{"source", std::move(files)}});
  };
  CHECK(change({"a/b.py\t1", "a/c.py\t2", "old\t3"}, {"a/b.py\t1", "a/c.py\t4", "new\t3"}) ==
        "source changed: a/c.py, + new, - old");
  CHECK(change({}, {"1\t1", "2\t1", "3\t1", "4\t1", "5\t1"}) ==
        "source changed: + 1, + 2, + 3, 2 more files");
  CHECK(change({"a\t1"}, {"a\t1"}) == "source changed");  // a directory
  CHECK(describe_change(before, now, {}, {{"source", {"a\t1"}}}) == "source changed");
}
