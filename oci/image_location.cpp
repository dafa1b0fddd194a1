#include "oci/image_location.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"

namespace dash::oci {

namespace {
constexpr std::string_view kLayout = "oci:";
constexpr std::string_view kArchive = "oci-archive:";
constexpr std::string_view kDockerArchive = "docker-archive:";
constexpr std::string_view kHint =
    "use oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or the name of an image in the "
    "store";

std::string_view prefix_of(ImageLocation::Kind kind) {
  switch (kind) {
    case ImageLocation::Kind::layout:
      return kLayout;
    case ImageLocation::Kind::archive:
      return kArchive;
    case ImageLocation::Kind::docker_archive:
      return kDockerArchive;
    case ImageLocation::Kind::name:
      break;
  }
  return "";
}
}  // namespace

ImageLocation ImageLocation::parse(std::string_view text) {
  if (const auto name = without_transport(text); name != text)
    throw Error(ErrorCode::unsupported,
                concat(quoted(text), " is in a registry; this takes images on this machine"))
        .with_hint(concat("'dash-build pull ", name, "' brings it into the store, 'dash-build copy ", text,
                          " docker://…' to another registry, and 'dash-build manifest ", name,
                          "' shows what it is"));
  for (const std::string_view other : {"dir:", "docker-daemon:", "containers-storage:"})
    if (text.starts_with(other))
      throw Error(ErrorCode::unsupported,
                  concat(quoted(text), ": the transport ", quoted(other), " is not supported"))
          .with_hint(std::string(kHint));
  ImageLocation out;
  std::string_view rest;
  if (text.starts_with(kLayout)) {
    out.kind = Kind::layout;
    rest = text.substr(kLayout.size());
  } else if (text.starts_with(kArchive)) {
    out.kind = Kind::archive;
    rest = text.substr(kArchive.size());
  } else if (text.starts_with(kDockerArchive)) {
    out.kind = Kind::docker_archive;
    rest = text.substr(kDockerArchive.size());
  } else {
    out.name = text;
    return out;
  }
  if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    out.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  if (rest.empty())
    throw Error(ErrorCode::usage,
                concat(quoted(text), " names no ", out.kind == Kind::layout ? "directory" : "file"))
        .with_hint(std::string(kHint));
  out.path = std::string(rest);
  return out;
}

std::string ImageLocation::to_string() const {
  if (kind == Kind::name) return name;
  auto out = concat(prefix_of(kind), path.string());
  if (!tag.empty()) out += ':' + tag;
  return out;
}

}  // namespace dash::oci
