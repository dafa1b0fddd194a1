// Any bytes as a Docker archive: an Error, or an image whose blobs can be copied or are refused.
#include "base/error.hpp"
#include "base/stream.hpp"
#include "base/text.hpp"
#include "oci/docker_archive.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include <sys/mman.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = ::memfd_create("archive", MFD_CLOEXEC);
  if (file < 0 || ::write(file, data, size) != static_cast<ssize_t>(size)) std::abort();
  try {
    const auto image = dash::oci::open_docker_archive(dash::concat("/proc/self/fd/", file), "");
    const auto manifest = dash::oci::load_image(*image.store, image.manifest).manifest;
    for (const auto& layer : manifest.layers) {
      dash::NullSink nowhere;
      dash::copy(*image.store->open(layer), nowhere);
    }
  } catch (const dash::Error& error) {
    if (error.code() == dash::ErrorCode::internal) std::abort();
  }
  ::close(file);
  return 0;
}
