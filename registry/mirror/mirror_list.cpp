#include "registry/mirror/mirror_list.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

#include <toml++/toml.h>

namespace dash::registry {

namespace {

constexpr std::uint64_t kMaxFileSize = std::uint64_t{4} << 20;
constexpr const char* kDestinationHint =
    "destinations look like 'mirror.example:5000/prefix/{repository}', with {registry}, {repository}, {name} "
    "and, as the tag, {tag} of the source";

[[noreturn]] void refuse(std::string message, std::string hint) {
  throw Error(ErrorCode::invalid_input, std::move(message)).with_hint(std::move(hint));
}

// The Error of `body`, which is about a part of the file, as one about the file.
template <class Body>
auto at_place(const std::string& place, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    refuse(concat(place, ": ", error.message()), error.hint());
  }
}

// A host as a part of a repository: no port, no upper case.
std::string as_path_part(std::string_view host) {
  std::string out;
  for (const char c : to_lower(host)) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.';
    if (letter)
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  while (out.ends_with('-')) out.pop_back();
  return out;
}

std::string last_part(const std::string& repository) {
  return repository.substr(repository.rfind('/') + 1);
}

// Replaces {words}. A word that is unknown, or not allowed here, throws.
template <class Value>
std::string expand(std::string_view text, Value&& value) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find('{');
    out += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const auto close = text.find('}', open);
    if (close == std::string_view::npos) refuse("'{' has no '}'", kDestinationHint);
    out += value(text.substr(open + 1, close - open - 1), out.empty());
    text.remove_prefix(close + 1);
  }
  return out;
}

std::string expand_name(std::string_view text, const oci::Reference& source) {
  return expand(text, [&](std::string_view word, bool at_start) {
    if (word == "registry") return at_start ? source.registry : as_path_part(source.registry);
    if (word == "repository") return source.repository;
    if (word == "name") return last_part(source.repository);
    if (word == "tag") refuse("{tag} stands in the repository", "write it as the tag: …/{repository}:{tag}");
    refuse(concat("{", word, "} is no part of a source"), kDestinationHint);
  });
}

std::string expand_tag(std::string_view text, const oci::Reference& source) {
  return expand(text, [&](std::string_view word, bool) {
    if (word == "registry") return as_path_part(source.registry);
    if (word == "name") return last_part(source.repository);
    if (word == "tag") return source.tag;
    if (word == "repository")
      refuse("{repository} stands in the tag, which has no '/'", "{name} is its last part");
    refuse(concat("{", word, "} is no part of a source"), kDestinationHint);
  });
}

std::string_view kind_of(const toml::node& node) {
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  if (node.is_string()) return "a string";
  if (node.is_integer()) return "a whole number";
  if (node.is_floating_point()) return "a number with a fraction";
  if (node.is_boolean()) return "a boolean";
  return "a date or time";
}

oci::Platform parse_platform(std::string_view text) {
  const auto parts = split(text, '/');
  const bool empty = std::any_of(parts.begin(), parts.end(), [](auto part) { return part.empty(); });
  if (parts.size() < 2 || parts.size() > 3 || empty)
    refuse(concat(quoted(text), " is no platform"), "platforms look like 'linux/amd64' or 'linux/arm/v7'");
  return {std::string(parts[0]), std::string(parts[1]), parts.size() == 3 ? std::string(parts[2]) : ""};
}

class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  MirrorList read(std::string_view text) {
    toml::table table;
    try {
      table = toml::parse(text);
    } catch (const toml::parse_error& error) {
      refuse(concat(place(error.source()), ": ", error.description()),
             "the file is TOML: [[image]] and lines like source = \"registry.example/team/app\"");
    }
    check_keys(table, {"destination", "image", "platforms", "prune", "referrers"}, "the file");
    MirrorList out;
    MirrorImage defaults;
    read_shared(table, defaults);
    if (const auto* node = table.get("prune"))
      out.prune = boolean(*node, "prune") ? MirrorList::Prune::yes : MirrorList::Prune::no;
    const auto* images = table.get("image");
    if (images == nullptr)
      refuse(concat(name_, " lists no image"),
             "add [[image]] with source = \"registry.example/team/app\" below it");
    if (images->as_array() == nullptr) refuse_image(*images);
    for (const auto& node : *images->as_array()) {
      if (node.as_table() == nullptr) refuse_image(node);
      out.images.push_back(read_image(*node.as_table(), defaults));
    }
    return out;
  }

 private:
  std::string place(const toml::source_region& region) const {
    return concat(name_, ':', region.begin.line, ':', region.begin.column);
  }

  [[noreturn]] void refuse_image(const toml::node& node) const {
    refuse(concat(place(node.source()), ": image is ", kind_of(node)),
           "each image begins with a line [[image]]");
  }

  void check_keys(const toml::table& table, const std::vector<std::string>& known,
                  std::string_view what) const {
    for (const auto& [key, node] : table)
      if (std::find(known.begin(), known.end(), key.str()) == known.end())
        refuse(concat(place(key.source()), ": ", what, " has no key ", quoted(key.str())),
               concat("the keys are ", join(known, ", ")));
  }

  bool boolean(const toml::node& node, std::string_view key) const {
    if (const auto value = node.value_exact<bool>()) return *value;
    refuse(concat(place(node.source()), ": ", key, " is ", kind_of(node)),
           "it must be true or false without quotes");
  }

  std::string text(const toml::node& node, std::string_view key) const {
    if (auto value = node.value_exact<std::string>()) return *std::move(value);
    refuse(concat(place(node.source()), ": ", key, " is ", kind_of(node)), "it must be a string in quotes");
  }

  // What `parse` makes of each string of an array.
  template <class Parse>
  auto list(const toml::node& node, std::string_view key, Parse&& parse) const {
    std::vector<decltype(parse(std::string()))> out;
    const auto* array = node.as_array();
    if (array == nullptr)
      refuse(concat(place(node.source()), ": ", key, " is ", kind_of(node)),
             "it must be an array of strings in quotes");
    for (const auto& entry : *array) {
      const auto word = text(entry, concat("an entry of ", key));
      out.push_back(at_place(place(entry.source()), [&] { return parse(word); }));
    }
    return out;
  }

  // The keys that the file has for all images, and each image for itself.
  void read_shared(const toml::table& table, MirrorImage& image) const {
    if (const auto* node = table.get("platforms")) image.platforms = list(*node, "platforms", parse_platform);
    if (const auto* node = table.get("referrers"))
      image.referrers =
          boolean(*node, "referrers") ? MirrorImage::Referrers::take : MirrorImage::Referrers::leave;
    if (const auto* node = table.get("destination"))
      image.destination =
          at_place(place(node->source()), [&] { return Destination::parse(text(*node, "destination")); });
  }

  MirrorImage read_image(const toml::table& table, const MirrorImage& defaults) const {
    check_keys(table, {"destination", "exclude", "platforms", "referrers", "source", "tags"}, "an image");
    auto out = defaults;
    out.place = place(table.source());
    read_shared(table, out);
    const auto* source = table.get("source");
    if (source == nullptr)
      refuse(concat(out.place, ": an image has no source"), "add source = \"registry.example/team/app\"");
    out.source = at_place(place(source->source()), [&] { return parse_source(text(*source, "source")); });
    for (const auto& [key, patterns] :
         {std::pair{"tags", &out.tags.include}, std::pair{"exclude", &out.tags.exclude}}) {
      const auto* node = table.get(key);
      if (node == nullptr) continue;
      if (!out.source.tag.empty() || out.source.digest)
        refuse(concat(place(node->source()), ": the source ", quoted(out.source.to_string()),
                      " is one image and ", key, " chooses among many"),
               concat("leave out ", key, ", or the source's tag and digest"));
      *patterns = list(*node, key, TagPattern::parse);
      if (patterns->empty())
        refuse(concat(place(node->source()), ": ", key, " is empty"), "without it every tag is taken");
    }
    return out;
  }

  static oci::Reference parse_source(std::string_view text) {
    auto out = oci::Reference::parse(oci::without_transport(text));
    if (!out.tag.empty() && out.digest)
      refuse(concat(quoted(text), " has a tag and a digest"), "one of them says which image is meant");
    return out;
  }

  const std::string& name_;
};

}  // namespace

Destination Destination::parse(std::string_view text) {
  const auto whole = text;
  try {
    text = oci::without_transport(text);
    if (contains(text, "@")) refuse("it names a digest", kDestinationHint);
    Destination out;
    const auto slash = text.rfind('/');
    const auto colon = text.rfind(':');
    const bool has_tag = colon != std::string_view::npos && slash != std::string_view::npos && colon > slash;
    out.name_ = text.substr(0, has_tag ? colon : text.size());
    if (has_tag) out.tag_ = text.substr(colon + 1);
    if (has_tag && out.tag_.empty()) refuse("the tag is empty", kDestinationHint);
    out.image_for({"registry.example", "team/app", "1", std::nullopt});
    return out;
  } catch (const Error& error) {
    refuse(concat(quoted(whole), " is no destination: ", error.message()), error.hint());
  }
}

oci::Reference Destination::repository_for(const oci::Reference& source) const {
  const auto text = expand_name(name_, source);
  try {
    auto out = oci::Reference::parse(text);
    if (out.registry.empty()) refuse(concat(quoted(text), " names no registry"), kDestinationHint);
    return out;
  } catch (const Error& error) {
    refuse(error.message(), kDestinationHint);
  }
}

oci::Reference Destination::image_for(const oci::Reference& source) const {
  auto out = repository_for(source);
  out.tag = source.tag;
  if (tag_.empty()) return out;
  if (source.tag.empty() && contains(tag_, "{tag}"))
    refuse(concat(quoted(source.to_string()), " has no tag for {tag}"),
           "give the image a destination of its own");
  const auto tag = expand_tag(tag_, source);
  try {
    return oci::Reference::parse(concat(out.registry, '/', out.repository, ':', tag));
  } catch (const Error& error) {
    refuse(error.message(), kDestinationHint);
  }
}

MirrorList MirrorList::parse(std::string_view text, const std::string& name) {
  return Reader(name).read(text);
}

MirrorList MirrorList::read(const fs::path& file) {
  return parse(read_file(file, kMaxFileSize), file.string());
}

}  // namespace dash::registry
