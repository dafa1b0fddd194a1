#include "builder/app/app_json.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

namespace dash::builder {

namespace {

using nlohmann::json;

constexpr const char* kFile = "app.json";
// Far more than any real file needs; keeps the recursive writer of health checks within its stack.
constexpr std::size_t kMaxDepth = 100;
constexpr const char* kExampleHint = "for example {\"scripts\": {\"predeploy\": \"bash setup.sh\"}}";

Error error_at(std::string_view text, std::size_t offset, std::string_view what) {
  const auto before = text.substr(0, offset);
  const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const auto line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto line_end = std::min(text.find('\n', line_start), text.size());
  const auto shown = trim(text.substr(line_start, line_end - line_start));
  return Error(ErrorCode::invalid_input,
               concat(kFile, ":", line, ":", offset - line_start + 1, ": ", what, " in ", shown_line(shown)))
      .with_hint("app.json must be valid JSON; comments and trailing commas are fine");
}

// Overwrites comments and trailing commas with blanks, so that every other byte keeps its place.
std::string plain_json(std::string_view text) {
  std::string out(text);
  std::size_t depth = 0;
  std::size_t comma = std::string::npos;  // the last one, while only blanks and comments follow it
  for (std::size_t at = 0; at < out.size(); ++at) {
    const char c = out[at];
    if (c == '"') {
      comma = std::string::npos;
      for (++at; at < out.size() && out[at] != '"' && out[at] != '\n'; ++at)
        if (out[at] == '\\') ++at;
    } else if (c == '/' && at + 1 < out.size() && (out[at + 1] == '/' || out[at + 1] == '*')) {
      const bool line_comment = out[at + 1] == '/';
      const auto found = out.find(line_comment ? "\n" : "*/", at + 2);
      if (found == std::string::npos && !line_comment)
        throw error_at(text, at, "a comment that is never closed");
      const auto end = found == std::string::npos ? out.size() : line_comment ? found : found + 2;
      for (; at < end; ++at)
        if (out[at] != '\n') out[at] = ' ';
      --at;
    } else if (c == ',') {
      comma = at;
    } else if (c == '}' || c == ']') {
      // "[,]" stays an error: what stands before the comma must be a value.
      if (comma != std::string::npos) {
        const auto before = out.find_last_not_of(" \t\r\n", comma - 1);
        if (comma > 0 && before != std::string::npos && out[before] != '[' && out[before] != '{' &&
            out[before] != ',')
          out[comma] = ' ';
      }
      comma = std::string::npos;
      if (depth > 0) --depth;
    } else if (c == '{' || c == '[') {
      comma = std::string::npos;
      if (++depth > kMaxDepth) throw error_at(text, at, "values nested too deeply");
    } else if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
      comma = std::string::npos;
    }
  }
  return out;
}

// The parser's own words without its prefix: "unexpected '}'; expected string literal".
std::string reason_of(const json::parse_error& error) {
  std::string_view what = error.what();
  if (const auto dash = what.find(" - "); dash != std::string_view::npos) what.remove_prefix(dash + 3);
  if (const auto read = what.find("; last read: "); read != std::string_view::npos) {
    const auto expected = what.find("; expected ", read);
    return concat(what.substr(0, read), expected == std::string_view::npos ? "" : what.substr(expected));
  }
  return std::string(what);
}

json parse(std::string_view text) {
  const auto plain = plain_json(text);
  try {
    return json::parse(plain);
  } catch (const json::parse_error& error) {
    // `byte` is the position after the character that was wrong, and past the end at the end.
    const auto offset = std::min(error.byte > 0 ? error.byte - 1 : 0, text.size());
    throw error_at(text, offset, concat("invalid JSON: ", reason_of(error)));
  } catch (const json::out_of_range& error) {  // "… number overflow parsing '1e999'"
    const std::string_view what = error.what();
    const auto quote = std::min(what.find('\''), what.size() - 1);
    const auto number = what.substr(quote + 1, what.rfind('\'') - quote - 1);
    throw error_at(text, std::min(plain.find(number), text.size()),
                   concat("invalid JSON: ", shown_line(number), " is too large a number"));
  }
}

Error wrong_type(const std::string& key, const json& value, std::string_view wanted) {
  return Error(ErrorCode::invalid_input, concat(kFile, ": ", dash::quoted(key), " is a JSON ",
                                                value.type_name(), ", but must be ", wanted));
}

// The member; nothing when it is absent or null, or when there is no object to look in.
const json* member(const json* object, const char* name) {
  if (object == nullptr) return nullptr;
  const auto found = object->find(name);
  return found == object->end() || found->is_null() ? nullptr : &*found;
}

const json* object_member(const json* object, const char* name, const std::string& key) {
  const auto* value = member(object, name);
  if (value != nullptr && !value->is_object())
    throw wrong_type(key, *value, "an object").with_hint(kExampleHint);
  return value;
}

std::optional<AppScript> find_script(const json& root, const char* name) {
  const auto* scripts = object_member(&root, "scripts", "scripts");
  const auto* dokku = object_member(scripts, "dokku", "scripts.dokku");
  const std::array<std::pair<const json*, std::string>, 3> places = {
      {{dokku, "scripts.dokku."}, {scripts, "scripts."}, {&root, ""}}};
  for (const auto& [object, prefix] : places) {
    const auto* value = member(object, name);
    if (value == nullptr) continue;
    const auto key = concat(prefix, name);
    if (!value->is_string())
      throw wrong_type(key, *value, "a string")
          .with_hint("write one shell line; join several commands with \" && \"");
    const auto command = trim(value->get_ref<const std::string&>());
    if (!command.empty()) return AppScript{std::string(command), key};
  }
  return std::nullopt;
}

}  // namespace

AppJson parse_app_json(std::string_view text) {
  const auto root = parse(text);
  if (!root.is_object())
    throw Error(ErrorCode::invalid_input,
                concat(kFile, " holds a JSON ", root.type_name(), ", but must be an object"))
        .with_hint(kExampleHint);
  AppJson out;
  out.predeploy = find_script(root, "predeploy");
  out.postdeploy = find_script(root, "postdeploy");
  const auto* checks = object_member(&root, "healthchecks", "healthchecks");
  if (checks == nullptr) return out;
  for (const auto& [type, value] : checks->items()) {
    if (!value.is_object() && !value.is_array())
      throw wrong_type(concat("healthchecks.", type), value, "an object or an array")
          .with_hint("for example {\"healthchecks\": {\"web\": {\"readiness\": {...}}}}");
    out.health_checks.emplace(type, value.dump());
  }
  return out;
}

AppJson read_app_json(const AppDirectory& app) {
  const auto text = read_text(app, kFile, Utf16::decode);
  return text ? parse_app_json(*text) : AppJson{};
}

}  // namespace dash::builder
