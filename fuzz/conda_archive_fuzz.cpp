// Any bytes as a conda package of either kind, or as the tar in one: an Error, or an installation that stays
// below the prefix and whose content can be read.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/link.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <fcntl.h>

namespace {

constexpr std::string_view kPrefix = "app/.heroku/miniconda/";

bool is_below_prefix(std::string_view path) {
  if (!path.starts_with(kPrefix)) return false;
  for (const std::string_view part : dash::split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

void check(const dash::builder::LinkedPackage& package, const dash::builder::CondaScheme& scheme) {
  std::vector<std::string> compiled;
  for (const auto& file : package.files) {
    if (!is_below_prefix(file.path)) std::abort();
    if (file.type == dash::EntryType::file && package.content(file).size() != file.size) std::abort();
  }
  for (const auto& source : package.sources) {
    if (!is_below_prefix(source.pyc_path)) std::abort();
    compiled.push_back(source.pyc_path);
  }
  if (!is_below_prefix(package.record_path)) std::abort();
  if (!dash::is_utf8(record_with_bytecode(package, scheme, compiled))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const dash::TempDirectory directory("/dev/shm");  // in memory
  const auto name = bytes.starts_with("PK") ? "demo-1.0-0.conda" : "demo-1.0-0.tar.bz2";
  dash::builder::ReadPackageOptions options{
      directory.path() / "content", {}, nullptr, std::uint64_t{4} << 20U};
  // The decoded form may be a plain tar too, where the fuzzer gets further than behind checksums.
  if (!bytes.starts_with("PK") && !bytes.starts_with("BZ")) options.decoded = directory.path() / "decoded";
  dash::write_file(options.decoded.empty() ? directory.path() / name : options.decoded, bytes);
  dash::builder::CondaPackageUrl package;
  package.url = dash::concat("https://channel.example/noarch/", name);
  package.digests.sha256 = dash::Sha256{};
  dash::builder::CondaScheme scheme;
  scheme.python_version = "3.11.7";
  try {
    auto archive = std::make_shared<const dash::builder::PackageArchive>(directory.path() / name, options);
    check(link_package(std::move(archive), package, scheme), scheme);
  } catch (const dash::Error& error) {
    if (error.code() != dash::ErrorCode::corrupt && error.code() != dash::ErrorCode::unsupported &&
        error.code() != dash::ErrorCode::invalid_input)
      std::abort();
    if (error.message().empty() || !dash::is_utf8(error.message())) std::abort();  // it goes into JSON
  }
  return 0;
}
