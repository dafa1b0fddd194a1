#include "cli/push_summary.hpp"

#include "base/text.hpp"
#include "cli/wording.hpp"
#include "registry/pusher.hpp"

namespace dash::cli {

std::string push_summary(const registry::PushReport& report) {
  if (report.outcome == registry::PushReport::Outcome::present) return "already there";
  return concat(counted(report.uploaded, "blob"), " sent (", human_size(report.bytes_sent), "), ",
                report.mounted, " mounted, ", report.there, " already there");
}

}  // namespace dash::cli
