#include "cli/secrets.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <optional>

namespace dash::cli {

namespace {

constexpr std::uint64_t kMaxSecretSize = 500'000;
constexpr std::size_t kMaxSecrets = 100;
constexpr std::string_view kIdCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

struct Parts {
  std::string id;
  std::optional<std::string> file;
  std::optional<std::string> variable;
};

Error wrong_form(const std::string& text) {
  return Error(ErrorCode::usage,
               concat("--secret ", quoted(text), " is not id=ID,src=FILE or id=ID,env=NAME"))
      .with_hint("build commands see the content at /run/secrets/ID");
}

Parts parse(const std::string& text) {
  Parts out;
  std::optional<std::string> type;
  for (const auto part : split(text, ',')) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) throw wrong_form(text);
    const auto key = part.substr(0, equals);
    const std::string value(part.substr(equals + 1));
    if (key == "id")
      out.id = value;
    else if (key == "src" || key == "source")
      out.file = value;
    else if (key == "env")
      out.variable = value;
    else if (key == "type")
      type = value;
    else
      throw wrong_form(text);
  }
  // With type=env, src is a variable's name.
  if (type == "env" && out.file) out.variable = std::exchange(out.file, std::nullopt);
  if (out.file.has_value() == out.variable.has_value() || (type && type != "env" && type != "file"))
    throw wrong_form(text);
  if (out.id.empty() || out.id.size() > 200 || out.id.starts_with('.') ||
      out.id.find_first_not_of(kIdCharacters) != std::string::npos)
    throw Error(ErrorCode::usage,
                concat("--secret ", quoted(text), ": the id ", quoted(out.id), " is not a plain file name"))
        .with_hint("use letters, digits, '.', '_' and '-'");
  return out;
}

std::string read_content(const Parts& parts, const std::map<std::string, std::string>& variables) {
  if (parts.variable) {
    const auto found = variables.find(*parts.variable);
    if (found == variables.end())
      throw Error(ErrorCode::not_found, concat("the secret ", quoted(parts.id), " is the variable ",
                                               *parts.variable, ", which is not set"))
          .with_hint("export it, or name a file with src=FILE");
    return found->second;
  }
  return with_context(concat("while reading the secret ", quoted(parts.id)), [&] {
    const auto content = read_file_if_exists(*parts.file, kMaxSecretSize);
    if (!content)
      throw Error(ErrorCode::not_found, concat(*parts.file, " does not exist"))
          .with_hint("check src= of the --secret");
    return *content;
  });
}

}  // namespace

std::vector<builder::Secret> read_secrets(const std::vector<std::string>& options,
                                          const std::map<std::string, std::string>& variables) {
  if (options.size() > kMaxSecrets)
    throw Error(ErrorCode::usage, concat("more than ", kMaxSecrets, " secrets are given"));
  std::vector<builder::Secret> out;
  for (const auto& text : options) {
    const auto parts = parse(text);
    const auto same = [&](const builder::Secret& secret) { return secret.id == parts.id; };
    if (std::any_of(out.begin(), out.end(), same))
      throw Error(ErrorCode::usage, concat("two secrets have the id ", quoted(parts.id)));
    out.push_back({parts.id, read_content(parts, variables)});
  }
  return out;
}

}  // namespace dash::cli
