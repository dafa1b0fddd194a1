// `mirror sync`: sets of images from registries to registries.
#include "cli/commands.hpp"
#include "cli/host_environment.hpp"
#include "cli/mirror_report.hpp"
#include "cli/registry_access.hpp"
#include "cli/renderers.hpp"

#include <iostream>

namespace dash::cli {

int run_command(const MirrorSyncOptions& options, std::stop_token stop) {
  auto list = registry::MirrorList::read(options.file);
  if (options.prune != MirrorSyncOptions::Prune::as_file)
    list.prune = options.prune == MirrorSyncOptions::Prune::yes ? registry::MirrorList::Prune::yes
                                                                : registry::MirrorList::Prune::no;
  registry::SyncOptions sync;
  if (options.dry_run) sync.mode = registry::SyncMode::show;
  if (options.fail_fast) sync.on_failure = registry::PushOptions::OnFailure::stop;

  const auto host = read_host_settings(options.common);
  registry::RegistrySession session(registry_settings(options.registry, host, options.common.home, {}));
  auto events = make_renderer(options.progress, host.variables);
  const auto report = registry::sync_mirror(session, list, *events, stop, sync);
  events.reset();  // what it has drawn is complete before the report
  if (options.json)
    print_json(std::cout, report, sync.mode);
  else
    print_report(std::cout, report, sync.mode);
  std::cout.flush();
  print_failures(std::cerr, report);
  return report.failed() ? kSomeFailed : 0;
}

}  // namespace dash::cli
