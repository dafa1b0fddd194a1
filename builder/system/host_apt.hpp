// How the host itself gets Debian packages: its sources and its transport settings.
#pragma once

#include "base/path.hpp"
#include "builder/host.hpp"

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// One archive of binary packages (sources.list(5)), from the one-line or the deb822 format.
struct AptSource {
  std::string uri;
  std::string suite;
  std::vector<std::string> components;
  std::string signed_by;  // path of a keyring; empty: apt's default; "inline" for a key in the file itself

  // As one line of a sources.list.
  std::string to_line() const;
  bool operator==(const AptSource&) const = default;
};

// Enabled "deb" sources of one file's content. `deb822` for *.sources, else the one-line format. What apt
// would refuse is left out: apt itself complains about it.
enum class AptSourceFormat { one_line, deb822 };
std::vector<AptSource> parse_apt_sources(std::string_view content, AptSourceFormat format);

// Sources in `etc_apt`/sources.list and sources.list.d, in apt's order.
std::vector<AptSource> read_apt_sources(const fs::path& etc_apt);

// Those that are Debian's own for a release: suites NAME, NAME-updates and NAME-security, signed with
// Debian's archive keyring (or with apt's default), without duplicates. The keyring is not named in them: apt
// trusts Debian's by default, and hosts that write the same sources in other ways must come to the same
// image.
std::vector<AptSource> debian_sources(const std::vector<AptSource>& sources, std::string_view codename);

// How the host's apt reaches its archives, as lines of apt.conf(5): proxies, certificates, retries, date
// checks. A certificate bundle is named as `ca_bundle` (empty: left out), because the host's own path means
// nothing elsewhere. Empty on a host without apt.
std::vector<std::string> apt_transport_settings(const HostSettings& host, const fs::path& ca_bundle,
                                                std::stop_token stop);
// The selection of `apt-config dump` output behind it.
std::vector<std::string> select_transport_settings(std::string_view dump, std::string_view ca_bundle);

}  // namespace dash::builder
