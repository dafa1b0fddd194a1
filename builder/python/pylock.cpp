#include "builder/python/pylock.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/packages/package_name.hpp"
#include "builder/percent.hpp"

#include <algorithm>

#include <toml++/toml.h>

namespace dash::builder {
namespace {

// Why a text is no usable lock.
struct Fault {
  std::string what;
};

[[noreturn]] void fail(std::string_view what) {
  throw Fault{std::string(what)};
}

std::string text_of(const toml::table& table, std::string_view key) {
  return table[key].value_or(std::string());
}

// An absolute path without "." and ".." (by text: the file system may not exist here).
std::string absolute(std::string_view directory, std::string_view path) {
  const std::string whole = path.starts_with('/') ? std::string(path) : concat(directory, '/', path);
  std::vector<std::string> parts;
  for (std::string_view part : split(whole, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..")
      parts.emplace_back(part);
    else if (!parts.empty())
      parts.pop_back();
  }
  return '/' + join(parts, "/");
}

// The last component of the path part, with %XX decoded.
std::string file_name_of(std::string_view location) {
  location = location.substr(0, location.find_first_of("?#"));
  const std::string out = percent_decoded(location.substr(location.rfind('/') + 1));
  if (out.empty() || out == "." || out == ".." || contains(out, "/") || out.find('\0') != std::string::npos)
    fail(concat("bad file name in ", redact_url(location)));
  return out;
}

LockedFile parse_file(const toml::table& table, std::string_view directory, std::string_view package) {
  LockedFile file;
  file.url = text_of(table, "url");
  if (const std::string path = text_of(table, "path"); !path.empty()) file.path = absolute(directory, path);
  if (file.url.empty() == file.path.empty())
    fail(concat(package, " has a file that is neither URL nor path"));
  // uv writes local index files as file: URLs.
  file.file_name = text_of(table, "name");
  if (file.file_name.empty()) file.file_name = file.url.empty() ? file.path : file.url;
  file.file_name = file_name_of(file.file_name);
  if (const auto size = table["size"].value<std::int64_t>(); size && *size >= 0)
    file.size = static_cast<std::uint64_t>(*size);
  if (const auto hash = table["hashes"]["sha256"].value<std::string>()) {
    file.sha256 = sha256_from_hex(to_lower(*hash));
    if (!file.sha256) fail(concat(package, " has a bad sha256: ", quoted(*hash)));
  }
  file.subdirectory = text_of(table, "subdirectory");
  return file;
}

LockedDirectory parse_directory(const toml::table& table, std::string_view directory) {
  LockedDirectory out;
  out.path = absolute(directory, text_of(table, "path"));
  out.kind =
      table["editable"].value_or(false) ? LockedDirectory::Kind::editable : LockedDirectory::Kind::plain;
  out.subdirectory = text_of(table, "subdirectory");
  return out;
}

LockedVcs parse_vcs(const toml::table& table, std::string_view directory, std::string_view package) {
  LockedVcs out{text_of(table, "type"),      text_of(table, "url"),
                text_of(table, "path"),      text_of(table, "requested-revision"),
                text_of(table, "commit-id"), text_of(table, "subdirectory")};
  if (!out.path.empty()) out.path = absolute(directory, out.path);
  if (out.url.empty() == out.path.empty() || out.commit_id.empty())
    fail(concat(package, " has an incomplete repository"));
  return out;
}

// What names and versions are made of; none of it means anything in a path.
bool is_plain(std::string_view text) {
  return text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_+!") ==
         std::string_view::npos;
}

LockedPackage parse_package(const toml::table& table, std::string_view directory) {
  LockedPackage out;
  out.name = normal_package_name(text_of(table, "name"));
  if (out.name.empty()) fail("a package has no name");
  if (!is_plain(out.name)) fail(concat("a package has the name ", quoted(out.name)));
  out.version = text_of(table, "version");
  if (!is_plain(out.version)) fail(concat(out.name, " has the version ", quoted(out.version)));
  if (const toml::array* wheels = table["wheels"].as_array())
    for (const toml::node& wheel : *wheels)
      if (const toml::table* entry = wheel.as_table())
        out.wheels.push_back(parse_file(*entry, directory, out.name));
  if (const toml::table* sdist = table["sdist"].as_table())
    out.sdist = parse_file(*sdist, directory, out.name);
  if (const toml::table* archive = table["archive"].as_table())
    out.archive = parse_file(*archive, directory, out.name);
  if (const toml::table* tree = table["directory"].as_table())
    out.directory = parse_directory(*tree, directory);
  if (const toml::table* vcs = table["vcs"].as_table()) out.vcs = parse_vcs(*vcs, directory, out.name);
  const int sources = (out.wheels.empty() && !out.sdist ? 0 : 1) + (out.archive ? 1 : 0) +
                      (out.directory ? 1 : 0) + (out.vcs ? 1 : 0);
  if (sources != 1) fail(concat(out.name, " has ", sources == 0 ? "no source" : "several sources"));
  return out;
}

Lock parse_lock(std::string_view text, std::string_view directory) {
  Lock lock;
  lock.text = text;
  toml::table document;
  try {
    document = toml::parse(text);
  } catch (const toml::parse_error& error) {
    fail(concat("line ", error.source().begin.line, ": ", error.description()));
  }
  const std::string version = text_of(document, "lock-version");
  if (split(version, '.').front() != "1") fail(concat("its lock-version is ", quoted(version), ", not 1.x"));
  lock.requires_python = text_of(document, "requires-python");
  if (contains(lock.requires_python, "\n")) fail("its requires-python is more than one line");
  if (const toml::array* packages = document["packages"].as_array())
    for (const toml::node& package : *packages)
      if (const toml::table* table = package.as_table())
        lock.packages.push_back(parse_package(*table, directory));
  std::ranges::sort(lock.packages, {}, &LockedPackage::name);
  const auto twice = std::ranges::adjacent_find(lock.packages, {}, &LockedPackage::name);
  if (twice != lock.packages.end()) fail(concat(twice->name, " is there twice"));
  return lock;
}

}  // namespace

Lock Lock::parse(std::string_view text, std::string_view directory) {
  try {
    return parse_lock(text, directory);
  } catch (const Fault& fault) {
    throw Error(ErrorCode::corrupt, concat("the resolved lock (pylock.toml) is not usable: ", fault.what))
        .with_hint(
            "Build again with --no-cache. If it stays, the uv in use may be too new: name another one, or "
            "none.");
  }
}

Lock Lock::parse_given(std::string_view text, std::string_view directory, std::string_view place) {
  try {
    return parse_lock(text, directory);
  } catch (const Fault& fault) {
    throw Error(ErrorCode::invalid_input, concat(place, " is not a lock that can be used: ", fault.what))
        .with_hint("\"dash-build lock NAME\" prints the lock of a built image (pylock.toml)");
  }
}

}  // namespace dash::builder
