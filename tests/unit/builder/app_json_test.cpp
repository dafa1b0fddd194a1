#include "builder/app/app_json.hpp"

#include "tests/support/error_of.hpp"
#include "tests/support/temp_app.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace dash;
using namespace dash::builder;
using dash::testing::error_of;

namespace {
std::string shown(const std::optional<AppScript>& script) {
  return script ? script->key + " = " + script->command : "none";
}
}  // namespace

TEST_CASE("app.json scripts and their order of precedence", "[app_json]") {
  struct Case {
    const char* text;
    const char* predeploy;
    const char* postdeploy;
  };
  const auto c = GENERATE(values<Case>({
      {"{}", "none", "none"},
      {R"({"scripts": {"dokku": {"predeploy": "a", "postdeploy": "b"}}})", "scripts.dokku.predeploy = a",
       "scripts.dokku.postdeploy = b"},
      {R"({"scripts": {"predeploy": " a && b "}})", "scripts.predeploy = a && b", "none"},
      {R"({"predeploy": "a", "postdeploy": "b"})", "predeploy = a", "postdeploy = b"},
      {R"({"predeploy": "c", "scripts": {"predeploy": "b", "dokku": {"predeploy": "a"}}})",
       "scripts.dokku.predeploy = a", "none"},
      {R"({"predeploy": "c", "scripts": {"predeploy": "b", "dokku": {"predeploy": null}}})",
       "scripts.predeploy = b", "none"},
      {R"({"predeploy": "c", "scripts": {"predeploy": " ", "dokku": null}})", "predeploy = c", "none"},
      {"\xEF\xBB\xBF{\r\n  // why\r\n  \"predeploy\": \"a\", /* , */\r\n}\r\n", "predeploy = a", "none"},
      {R"({"predeploy": "echo // \"/* x", "list": [1, 2, ], })", R"(predeploy = echo // "/* x)", "none"},
      {R"({"name": "x", "env": {"A": 1}, "buildpacks": [], "postdeploy": "b"} // end)", "none",
       "postdeploy = b"},
  }));
  CAPTURE(c.text);
  testing::TempApp app;
  app.file("app.json", c.text);
  const auto json = read_app_json(app.open());
  CHECK(shown(json.predeploy) == c.predeploy);
  CHECK(shown(json.postdeploy) == c.postdeploy);
}

TEST_CASE("app.json keeps health checks as text", "[app_json]") {
  const auto json = parse_app_json(
      R"({"healthchecks": {"*": {"liveness": {"b": 1, "a": "/{{ $APP }}/x"}}, "web": [{"type": "startup"}]}})");
  CHECK(json.health_checks == std::map<std::string, std::string>{
                                  {"*", R"({"liveness":{"a":"/{{ $APP }}/x","b":1}})"},
                                  {"web", R"([{"type":"startup"}])"},
                              });
}

TEST_CASE("an app without app.json has no scripts", "[app_json]") {
  testing::TempApp app;
  CHECK_FALSE(read_app_json(app.open()).predeploy);
}

TEST_CASE("invalid JSON is an error with line and column", "[app_json]") {
  struct Case {
    std::string text;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {"{\n  \"scripts\": {\n    \"predeploy\" \"a\"\n  }\n}\n",
       "app.json:3:19: invalid JSON: unexpected string literal; expected ':' in '\"predeploy\" \"a\"'"},
      {"{\r\n\"a\": tru\r\n}", "app.json:2:9: invalid JSON: invalid literal in '\"a\": tru'"},
      {"{\n\"a\": 1e999}", "app.json:2:6: invalid JSON: '1e999' is too large a number in '\"a\": 1e999}'"},
      {"{\"a\": 1", "app.json:1:8: invalid JSON: unexpected end of input; expected '}' in '{\"a\": 1'"},
      {"", "app.json:1:1: invalid JSON: unexpected end of input; expected '[', '{', or a literal in ''"},
      {"{\"a\": [1,,2]}",
       "app.json:1:10: invalid JSON: unexpected ','; expected '[', '{', or a literal in '{\"a\": [1,,2]}'"},
      {"{\"a\": [,]}",
       "app.json:1:8: invalid JSON: unexpected ','; expected '[', '{', or a literal in '{\"a\": [,]}'"},
      {"{} {}", "app.json:1:4: invalid JSON: unexpected '{'; expected end of input in '{} {}'"},
      {"{ /* open }", "app.json:1:3: a comment that is never closed in '{ /* open }'"},
      {"{\"a\": \"b\n\"}",
       "app.json:1:9: invalid JSON: invalid string: control character U+000A (LF) must be escaped to \\u000A "
       "or \\n in '{\"a\": \"b'"},
      {std::string(101, '['),
       "app.json:1:101: values nested too deeply in "
       "'[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
       "...'"},
      {"{'a': 1}", "app.json:1:2: invalid JSON: invalid literal; expected string literal in '{'a': 1}'"},
  }));
  CAPTURE(c.text);
  CHECK(error_of([&] { parse_app_json(c.text); }) ==
        "invalid_input: " + std::string(c.error) +
            " | app.json must be valid JSON; comments and trailing commas "
            "are fine");
}

TEST_CASE("wrong types in app.json are errors that name the key", "[app_json]") {
  struct Case {
    const char* text;
    const char* error;
  };
  const auto c = GENERATE(values<Case>({
      {"[]",
       "app.json holds a JSON array, but must be an object | for example {\"scripts\": {\"predeploy\": "
       "\"bash setup.sh\"}}"},
      {R"({"scripts": "x"})",
       "app.json: 'scripts' is a JSON string, but must be an object | for example {\"scripts\": "
       "{\"predeploy\": \"bash setup.sh\"}}"},
      {R"({"scripts": {"dokku": []}})",
       "app.json: 'scripts.dokku' is a JSON array, but must be an object | for example {\"scripts\": "
       "{\"predeploy\": \"bash setup.sh\"}}"},
      {R"({"scripts": {"dokku": {"predeploy": ["a"]}}})",
       "app.json: 'scripts.dokku.predeploy' is a JSON array, but must be a string | write one shell line; "
       "join several commands with \" && \""},
      {R"({"postdeploy": 3})",
       "app.json: 'postdeploy' is a JSON number, but must be a string | write one shell line; join several "
       "commands with \" && \""},
      {R"({"healthchecks": {"web": true}})",
       "app.json: 'healthchecks.web' is a JSON boolean, but must be an object or an array | for example "
       "{\"healthchecks\": {\"web\": {\"readiness\": {...}}}}"},
  }));
  CAPTURE(c.text);
  CHECK(error_of([&] { parse_app_json(c.text); }) == "invalid_input: " + std::string(c.error));
}
