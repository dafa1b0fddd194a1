// `mirror packages`: what building apps needs where there is no internet.
#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/conda_runtime.hpp"
#include "builder/package_mirror/package_mirror.hpp"
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/locks.hpp"
#include "cli/quantities.hpp"
#include "cli/renderers.hpp"
#include "cli/session.hpp"
#include "cli/wording.hpp"

#include <iostream>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

builder::MirrorContents contents_of(const MirrorPackagesOptions& options) {
  builder::MirrorContents out;
  for (const auto& name : options.installers)
    out.installers.emplace(with_context(concat("in --installer ", name),
                                        [&] { return builder::parse_conda_runtime(name).installer; }),
                           "");
  for (const auto& from : options.from) {
    boost::system::error_code absent;
    if (fs::is_regular_file(from, absent))
      out.add_lock(read_file(from), from);
    else
      out.add_image(records_of(from, options.common, options.registry), from);
  }
  return out;
}

}  // namespace

int run_command(const MirrorPackagesOptions& options, std::stop_token stop) {
  if (!options.url.starts_with("http") ||
      builder::urls_in(options.url) != std::vector<std::string>{options.url})
    throw Error(ErrorCode::usage,
                concat("--url ", dash::quoted(options.url), " is not a URL of a web server"))
        .with_hint("as in https://mirror.example/packages, without a password");
  const auto contents = contents_of(options);
  auto events = make_renderer(options.progress, environment_variables());
  builder::PackageMirrorReport report;
  {
    Session session(options.common, options.app, 0, *events, stop);
    const auto conda = conda_settings(options.app);
    const auto& bench = session.bench();
    if (options.output.extension() == ".tar") {
      // Where nothing can be written is noticed before anything is fetched.
      { const TempFile probe(fs::absolute(options.output).parent_path()); }
      const auto work = bench.store.work_directory();
      const auto directory = work.path() / "mirror";
      report = builder::write_package_mirror(bench, conda, contents, directory, options.url);
      builder::write_mirror_archive(directory, options.output);
    } else {
      report = builder::write_package_mirror(bench, conda, contents, options.output, options.url);
    }
  }
  events.reset();
  if (options.json) {
    const nlohmann::ordered_json json = {{"installers", report.installers},
                                         {"condaPackages", report.conda_packages},
                                         {"distributions", report.distributions},
                                         {"bytes", report.bytes}};
    std::cout << json.dump(2) << '\n';
  } else {
    std::cout << options.output.string() << ": " << counted(report.installers, "conda installer") << ", "
              << counted(report.conda_packages, "conda package") << ", "
              << counted(report.distributions, "Python distribution") << ", " << human_size(report.bytes)
              << '\n';
  }
  return 0;
}

}  // namespace dash::cli
