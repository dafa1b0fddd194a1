#include "builder/conda/explicit_lock.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/text_file.hpp"
#include "builder/conda/platform.hpp"
#include "builder/percent.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace dash::builder {
namespace {

constexpr std::string_view kMarker = "@EXPLICIT";
constexpr std::size_t kMd5Digits = 32;
constexpr std::size_t kSha256Digits = 64;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The last part of a path and what is in front of it.
std::pair<std::string_view, std::string_view> cut_last(std::string_view text, char separator) {
  const auto at = text.rfind(separator);
  if (at == std::string_view::npos) return {{}, text};
  return {text.substr(0, at), text.substr(at + 1)};
}

std::string_view without_query(std::string_view url) {
  return url.substr(0, url.find('?'));
}

// Name, version and build of a package's file name: the last two parts are without "-".
struct DistParts {
  std::string_view name;
  std::string_view version;
  std::string_view build;
};
DistParts dist_parts(std::string_view dist) {
  const auto [rest, build] = cut_last(dist, '-');
  const auto [name, version] = cut_last(rest, '-');
  return {name, version, build};
}

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  ExplicitLock read(std::string_view text) {
    bool started = false;
    std::size_t number = 0;
    for (const std::string_view raw : split_lines(text)) {
      ++number;
      const std::vector<std::string_view> words = split_words(raw);
      if (words.empty() || words.front().starts_with('#')) continue;
      if (words.front() == kMarker) {
        started = true;
        continue;
      }
      if (!started) continue;
      if (words.size() > 1) fail(number, raw, "is more than one URL");
      add(words.front(), number);
    }
    return std::move(lock_);
  }

 private:
  [[noreturn]] void fail(std::size_t number, std::string_view line, std::string_view why) const {
    throw line_error(file_, number, concat(shown_line(public_text(line)), ' ', why))
        .with_hint(
            "After @EXPLICIT each line is the URL of a package, as in "
            "https://host/channel/linux-64/name-version-build.conda#MD5; `conda list --explicit --md5` "
            "writes such files.");
  }

  void add(std::string_view line, std::size_t number) {
    const auto hash_at = line.rfind('#');
    CondaPackageUrl package;
    package.url = url_of(line.substr(0, hash_at), line, number);
    if (hash_at != std::string_view::npos) read_hash(line.substr(hash_at + 1), package.digests, line, number);

    const std::string dist = package.dist();
    const DistParts parts = dist_parts(dist);
    if (contains(package.url, "/../") || contains(package.url, "/./") ||
        !is_conda_package(package.file_name()) || contains(dist, "/") || parts.name.empty() ||
        parts.version.empty() || parts.build.empty())
      fail(number, line, "is not the URL of a conda package");
    if (const std::string subdir = package.subdir(); is_foreign_platform(subdir))
      fail(number, line, concat("is a package for ", subdir, ", not for ", kCondaPlatform));
    const auto [known, is_new] = lines_.emplace(package.name(), number);
    if (!is_new)
      fail(number, line,
           concat("is a second package ", known->first, "; line ", known->second, " has one already"));
    lock_.packages.push_back(std::move(package));
  }

  std::string url_of(std::string_view text, std::string_view line, std::size_t number) const {
    for (const auto* scheme : {"https://", "http://", "file://"})
      if (text.starts_with(scheme)) return std::string(text);
    if (text.starts_with('/')) return concat("file://", text);
    fail(number, line, "is neither a URL nor an absolute path");
  }

  void read_hash(std::string_view hash, PackageDigests& out, std::string_view line,
                 std::size_t number) const {
    const std::string digits = to_lower(hash.substr(hash.find(':') + 1));
    const auto kind = hash.substr(0, std::min(hash.find(':'), hash.size()));
    const bool named = kind.size() < hash.size();
    if (is_hex(digits) && digits.size() == kMd5Digits && (!named || kind == "md5"))
      out.md5 = digits;
    else if (is_hex(digits) && digits.size() == kSha256Digits && (!named || kind == "sha256"))
      out.sha256 = sha256_from_hex(digits);
    else
      fail(number, line, "ends with what is neither an MD5 nor a SHA-256");
  }

  std::string_view file_;
  ExplicitLock lock_;
  std::map<std::string, std::size_t> lines_;  // by name
};

}  // namespace

std::string public_text(std::string_view text) {
  std::string out;
  for (auto scheme = text.find("://"); scheme != std::string_view::npos; scheme = text.find("://")) {
    const auto end = std::min(text.find_first_of(" \t\n\"'#", scheme), text.size());
    out += text.substr(0, scheme);
    out += redact_url(text.substr(scheme, end - scheme));
    text.remove_prefix(end);
  }
  return out + std::string(text);
}

std::string CondaPackageUrl::file_name() const {
  return percent_decoded(cut_last(without_query(url), '/').second);
}
std::string CondaPackageUrl::dist() const {
  return std::string(without_conda_suffix(file_name()));
}
std::string CondaPackageUrl::subdir() const {
  return std::string(cut_last(cut_last(without_query(url), '/').first, '/').second);
}
std::string CondaPackageUrl::channel() const {
  const std::string all = public_url();
  return std::string(cut_last(cut_last(all, '/').first, '/').first);
}

std::string CondaPackageUrl::public_url() const {
  return redact_url(url);
}

std::string CondaPackageUrl::name() const {
  return std::string(dist_parts(dist()).name);
}
std::string CondaPackageUrl::version() const {
  return std::string(dist_parts(dist()).version);
}
std::string CondaPackageUrl::build() const {
  return std::string(dist_parts(dist()).build);
}

bool is_explicit(std::string_view text) {
  return std::ranges::any_of(split_lines(text), [](std::string_view line) {
    const auto words = split_words(line);
    return words.size() == 1 && words.front() == kMarker;
  });
}

ExplicitLock parse_explicit_lock(std::string_view text, std::string_view file) {
  return Reader(file).read(text);
}

std::string format_explicit_lock(const ExplicitLock& lock) {
  std::string out = concat("# platform: ", kCondaPlatform, '\n', kMarker, '\n');
  for (const CondaPackageUrl& package : lock.packages) {
    out += package.url;
    // conda before 23.1 knows MD5 only.
    if (!package.digests.md5.empty())
      out += concat('#', package.digests.md5);
    else if (package.digests.sha256)
      out += concat("#sha256:", to_hex(*package.digests.sha256));
    out += '\n';
  }
  return out;
}

}  // namespace dash::builder
