#include "builder/conda/conda_settings.hpp"

#include "base/text.hpp"
#include "builder/app/text_file.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

constexpr const char* kMirrorHint =
    "On a machine with a network 'dash-build mirror packages' collects what apps need; conda_mirrors then "
    "says where it is served.";

bool is_reachable(const Workbench& bench, const CondaSettings& settings, std::string_view url) {
  if (!bench.airgapped || !url.starts_with("http") || settings.mirrors.reaches(url) ||
      is_below(url, settings.base_url))
    return true;
  if (settings.condarc.empty()) return false;
  const auto own = urls_in(read_file(settings.condarc));
  return std::ranges::any_of(own, [&](const std::string& base) { return is_below(url, base); });
}

}  // namespace

std::string fetch_url(const Workbench& bench, const CondaSettings& settings, const std::string& url) {
  if (is_reachable(bench, settings, url)) return settings.mirrors.at_mirror(url);
  throw Error(ErrorCode::unavailable, concat("no mirror is configured for ", redact_url(url),
                                             ", and builds on this machine are airgapped"))
      .with_hint(kMirrorHint);
}

void check_reach(const Workbench& bench, const CondaSettings& settings, std::string_view text,
                 std::string_view file) {
  std::size_t number = 0;
  for (const auto line : split_lines(text)) {
    ++number;
    // Comments follow a blank; in a URL "#" starts a hash.
    const auto comment = trim(line).starts_with('#') ? 0 : line.find(" #");
    for (const std::string& url : urls_in(line.substr(0, comment)))
      if (!is_reachable(bench, settings, url))
        throw Error(ErrorCode::unavailable, concat(file, ':', number, ": no mirror is configured for ", url,
                                                   ", and builds on this machine are airgapped"))
            .with_hint(kMirrorHint);
  }
}

void add_mirror_hint(const Workbench& bench, Error& error) {
  if (bench.airgapped) error.with_hint(concat("It belongs into the mirror. ", kMirrorHint));
}

}  // namespace dash::builder
