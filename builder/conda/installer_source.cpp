#include "builder/conda/installer_source.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace dash::builder {
namespace {

struct Pin {
  const char* installer;
  const char* sha256;
};
// What Dash Enterprise has, also where there is no internet.
constexpr std::array<Pin, 2> kPins = {
    {{"Miniconda3-4.5.12", "e5e5b4cd2a918e0e96b395534222773f7241dc59d776db1b9f7fedfcb489157a"},
     {"Miniconda2-4.5.12", "bb03ebb9057b0ffcdd5b0192ef44b4c414a5cc25e05d3f319b66e44d2a3b0146"}}};

std::string url_of(const CondaSettings& settings, const std::string& installer) {
  std::string_view base = settings.base_url;
  while (base.ends_with('/')) base.remove_suffix(1);
  if (base.empty())
    throw Error(ErrorCode::unavailable,
                concat("nobody says where ", installer_file_name(installer), " can be downloaded"))
        .with_hint(
            "Set conda_base_url (DASH_BUILD_CONDA_BASE_URL, or BUILDPACK_CONTINUUM_URL as in Dash "
            "Enterprise) to the server that has miniconda/ below it: the vendor's archive, or a mirror.");
  return concat(base, "/miniconda/", installer_file_name(installer));
}

// As other packages are.
fs::path kept_path(const Workbench& bench, const Sha256& sha256, const std::string& name) {
  return bench.store.packages() / to_hex(sha256) / name;
}

std::optional<InstallerFile> kept(const Workbench& bench, const std::optional<Sha256>& sha256,
                                  const std::string& name) {
  if (!sha256) return std::nullopt;
  const auto path = kept_path(bench, *sha256, name);
  if (!bench.store.claim(path.parent_path()) || !fs::exists(path)) return std::nullopt;
  return InstallerFile{path, name, *sha256};
}

InstallerFile fetch(const Workbench& bench, const std::string& url, const std::optional<Sha256>& expected,
                    const std::string& name, const std::string& step) {
  const TempDirectory incoming(bench.store.packages());
  const auto file = incoming.path() / name;
  bench.log(step, concat("Fetching ", name));
  try {
    bench.fetcher.fetch(
        {{url, file, expected, std::nullopt, name}},
        [&](const FetchRequest& request, std::uint64_t done, std::uint64_t total) {
          bench.events.emit(BytesMoved{step, request.shown, done, total});
        },
        bench.stop);
  } catch (Error& error) {
    if (error.code() == ErrorCode::not_found)
      error.with_hint(
          "Check conda-runtime.txt, and conda_base_url: the server has no installer of this name.");
    if (error.code() == ErrorCode::corrupt)
      error.with_hint(
          "It is not the file that its publisher, or conda_installers, names: get the right one, or correct "
          "the setting.");
    add_mirror_hint(bench, error);
    throw;
  }
  FileSource source(file);
  InstallerFile out{{}, name, expected ? *expected : sha256(source)};
  out.path = kept_path(bench, out.sha256, name);
  make_directories(out.path.parent_path());
  fs::rename(file, out.path);
  sync_directory(out.path.parent_path());
  return out;
}

// What an installer without a pin was when it was fetched first.
fs::path record_path(const Workbench& bench, const std::string& url) {
  return bench.store.records() / concat("installer-", to_hex(sha256(url)), ".txt");
}

std::optional<Sha256> recorded_digest(const Workbench& bench, const std::string& url) {
  const auto text = read_file_if_exists(record_path(bench, url));
  return text ? sha256_from_hex(trim(*text)) : std::nullopt;
}

void check_offline(const std::string& installer) {
  if (is_airgapped_runtime(installer)) return;
  throw Error(ErrorCode::unsupported,
              concat("conda-runtime.txt names ", installer, ", and builds without a network have ",
                     kPins[0].installer, " and ", kPins[1].installer, " only"))
      .with_hint(concat("Write ", kPins[0].installer,
                        " into conda-runtime.txt, or remove the file, which means the same."));
}

}  // namespace

std::string installer_file_name(const std::string& installer) {
  return concat(installer, "-Linux-x86_64.sh");
}

bool is_airgapped_runtime(std::string_view installer) {
  return std::ranges::find(kPins, installer, &Pin::installer) != kPins.end();
}

std::pair<std::string, Sha256> parse_installer_digest(std::string_view text) {
  const auto equals = text.rfind('=');
  const auto digest =
      equals == std::string_view::npos ? std::nullopt : sha256_from_hex(to_lower(text.substr(equals + 1)));
  if (!digest || equals == 0)
    throw Error(ErrorCode::usage, concat("the conda installer ", dash::quoted(text), " is not NAME=SHA256"))
        .with_hint("as in Miniconda3-py311_24.1.2-0=3f2e…, with 64 hexadecimal digits");
  return {std::string(text.substr(0, equals)), *digest};
}

std::optional<Sha256> pinned_digest(const CondaSettings& settings, const std::string& installer) {
  if (const auto found = settings.installers.find(installer); found != settings.installers.end())
    return found->second;
  const auto* pin = std::ranges::find(kPins, installer, &Pin::installer);
  return pin == kPins.end() ? std::nullopt : sha256_from_hex(pin->sha256);
}

InstallerFile get_installer(const Workbench& bench, const CondaSettings& settings,
                            const CondaRuntime& runtime, const std::string& step) {
  if (bench.network == Network::none || bench.airgapped) check_offline(runtime.installer);
  const auto name = installer_file_name(runtime.installer);
  const auto pinned = pinned_digest(settings, runtime.installer);
  if (const auto file = kept(bench, pinned, name)) return *file;
  const auto url = url_of(settings, runtime.installer);
  const bool changes = runtime.installer.ends_with("-latest");
  const auto expected = pinned || changes ? pinned : recorded_digest(bench, url);
  if (const auto file = kept(bench, expected, name)) return *file;
  if (bench.network == Network::none && !url.starts_with("file:"))
    throw Error(ErrorCode::unavailable, concat(name, " is not in the store, and the build is offline"))
        .with_hint(concat("Build once online with this store; it is looked for at ", redact_url(url), '.'));

  auto out = fetch(bench, fetch_url(bench, settings, url), expected, name, step);
  if (!pinned) write_file_atomic(record_path(bench, url), to_hex(out.sha256) + '\n');
  return out;
}

void forget_installer(const Workbench& bench, const CondaSettings& settings, const CondaRuntime& runtime,
                      const InstallerFile& file) {
  if (pinned_digest(settings, runtime.installer)) return;
  boost::system::error_code ignored;
  fs::remove(record_path(bench, url_of(settings, runtime.installer)), ignored);
  fs::remove(file.path, ignored);
}

}  // namespace dash::builder
