// Measures what making one layer of a directory costs: bench_layer DIRECTORY LAYOUT [COMPRESSION [THREADS]].
// Prints one line with digests, sizes, wall and CPU seconds and the peak of resident memory.
#include "base/error.hpp"
#include "base/text.hpp"
#include "base/thread_pool.hpp"
#include "oci/image_layout.hpp"
#include "oci/layer_writer.hpp"
#include "oci/tree.hpp"

#include <chrono>
#include <cstdio>
#include <span>
#include <thread>

#include <sys/resource.h>

namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int run(std::span<char*> arguments) {
  using namespace dash;
  if (arguments.size() < 3 || arguments.size() > 5)
    throw Error(ErrorCode::usage, "bench_layer DIRECTORY LAYOUT [COMPRESSION [THREADS]]");
  const auto compression = oci::Compression::parse(arguments.size() > 3 ? arguments[3] : "zstd");
  const auto threads = arguments.size() > 4 ? parse_uint(arguments[4]) : std::thread::hardware_concurrency();
  if (!threads) throw Error(ErrorCode::usage, "THREADS is a number");

  const auto start = std::chrono::steady_clock::now();
  ThreadPool pool(static_cast<unsigned>(*threads));
  auto layout = oci::ImageLayout::open_or_create(arguments[2]);
  oci::LayerWriter writer({layout, pool, compression});
  const auto stats = oci::add_tree(writer, arguments[1], {});
  const auto layer = writer.finish();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;

  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%s diff %s entries %llu tar %llu blob %llu wall %.2f user %.2f sys %.2f peak %.1f MiB\n",
              layer.blob.digest.to_string().c_str(), layer.diff_id.to_string().c_str(),
              static_cast<unsigned long long>(stats.entries),
              static_cast<unsigned long long>(writer.tar_bytes()),
              static_cast<unsigned long long>(layer.blob.size), wall.count(), seconds(usage.ru_utime),
              seconds(usage.ru_stime), static_cast<double>(usage.ru_maxrss) / 1024);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run({arguments, static_cast<std::size_t>(count)});
  } catch (const dash::Error& error) {
    std::fputs(dash::render(error).c_str(), stderr);
    return dash::exit_code(error.code());
  }
}
