// `lock`: which packages are in an image.
#include "base/file.hpp"
#include "cli/commands.hpp"
#include "cli/locks.hpp"
#include "cli/session.hpp"

#include <iostream>

namespace dash::cli {

int run_command(const LockOptions& options, std::stop_token) {
  AppOptions app;
  app.directory = options.directory;
  const auto image = options.image.empty() ? make_request(app).name.to_string() : options.image;
  const auto text = lock_of(image, options.kind, options.common, options.registry);
  if (options.output.empty())
    std::cout << text;
  else
    write_file_atomic(options.output, text);
  return 0;
}

}  // namespace dash::cli
