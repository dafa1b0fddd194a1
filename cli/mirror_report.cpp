#include "cli/mirror_report.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/wording.hpp"

#include <ostream>

#include <nlohmann/json.hpp>

namespace dash::cli {

namespace {

using Json = nlohmann::ordered_json;
using registry::SyncedImage;
using registry::SyncMode;
using registry::SyncReport;

Error error_in(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error;
  }
}

struct Totals {
  std::size_t present = 0;
  std::size_t copied = 0;
  std::size_t failed = 0;
  std::size_t pruned = 0;
  unsigned uploaded = 0;
  unsigned mounted = 0;
  unsigned there = 0;
  std::uint64_t bytes = 0;
  std::uint64_t resumed = 0;
};

Totals count(const SyncReport& report) {
  Totals out;
  for (const auto& image : report.images) {
    ++(image.outcome == SyncedImage::Outcome::present  ? out.present
       : image.outcome == SyncedImage::Outcome::copied ? out.copied
                                                       : out.failed);
    out.uploaded += image.transfer.uploaded;
    out.mounted += image.transfer.mounted;
    out.there += image.transfer.there;
    out.bytes += image.transfer.bytes_sent;
    out.resumed += image.transfer.bytes_resumed;
  }
  for (const auto& tag : report.pruned) out.pruned += tag.failure ? 0 : 1;
  return out;
}

const char* to_text(SyncedImage::Outcome outcome) {
  switch (outcome) {
    case SyncedImage::Outcome::present:
      return "present";
    case SyncedImage::Outcome::copied:
      return "copied";
    case SyncedImage::Outcome::failed:
      break;
  }
  return "failed";
}

Json to_json(const Error& error) {
  Json out = {{"code", to_string(error.code())}, {"message", error.message()}};
  if (!error.context().empty()) out["context"] = error.context();
  if (const auto hint = next_step(error); !hint.empty()) out["hint"] = hint;
  return out;
}

Json to_json(const SyncedImage& image) {
  Json out = {{"outcome", to_text(image.outcome)},
              {"role", image.role == registry::SelectedImage::Role::listed ? "listed" : "referrer"},
              {"source", image.source.to_string()}};
  if (image.destination) out["destination"] = image.destination->to_string();
  if (image.digest) out["digest"] = image.digest->to_string();
  if (image.replaced) out["replaced"] = image.replaced->to_string();
  const auto& moved = image.transfer;
  if (image.outcome != SyncedImage::Outcome::present)
    out["blobs"] = {{"sent", moved.uploaded}, {"mounted", moved.mounted}, {"there", moved.there}};
  if (image.outcome != SyncedImage::Outcome::present)
    out["bytes"] = {{"sent", moved.bytes_sent}, {"resumed", moved.bytes_resumed}};
  if (image.failure) out["error"] = to_json(error_in(image.failure));
  return out;
}

// "error: SUBJECT: what …".
void print_failure(std::ostream& out, const oci::Reference& subject, const std::exception_ptr& failure) {
  const auto error = error_in(failure);
  Error shown(error.code(), concat(subject.to_string(), ": ", error.message()));
  for (const auto& frame : error.context()) shown.add_context(frame);
  out << render(std::move(shown).with_hint(error.hint()));
}

}  // namespace

void print_report(std::ostream& out, const SyncReport& report, SyncMode mode) {
  const bool done = mode == SyncMode::copy;
  for (const auto& image : report.images)
    if (image.outcome == SyncedImage::Outcome::copied)
      out << (done ? "copied " : "would copy ") << image.source.to_string() << " to "
          << image.destination->to_string() << '\n';
  for (const auto& tag : report.pruned)
    if (!tag.failure) out << (done ? "removed " : "would remove ") << tag.tag.to_string() << '\n';
  const auto totals = count(report);
  out << counted(report.images.size(), "image") << ": " << totals.present << " already there, "
      << totals.copied << (done ? " copied, " : " to be copied, ") << totals.failed << " failed\n";
  if (totals.uploaded + totals.mounted + totals.there > 0)
    out << counted(totals.uploaded, "blob") << " sent (" << human_size(totals.bytes) << "), "
        << totals.mounted << " mounted, " << totals.there << " already there\n";
}

void print_json(std::ostream& out, const SyncReport& report, SyncMode mode) {
  Json json = {{"version", 1}, {"dryRun", mode == SyncMode::show}, {"images", Json::array()}};
  for (const auto& image : report.images) json["images"].push_back(to_json(image));
  json["unmatched"] = Json::array();
  for (const auto& entry : report.unmatched)
    json["unmatched"].push_back({{"source", entry.source.to_string()}, {"place", entry.place}});
  json["pruned"] = Json::array();
  for (const auto& tag : report.pruned) {
    Json row = {{"tag", tag.tag.to_string()}};
    if (tag.failure) row["error"] = to_json(error_in(tag.failure));
    json["pruned"].push_back(std::move(row));
  }
  json["unpruned"] = Json::array();
  for (const auto& repository : report.unpruned)
    json["unpruned"].push_back(
        {{"repository", repository.repository.to_string()}, {"reason", repository.reason}});
  const auto totals = count(report);
  json["totals"] = {
      {"present", totals.present},
      {"copied", totals.copied},
      {"failed", totals.failed},
      {"pruned", totals.pruned},
      {"blobs", {{"sent", totals.uploaded}, {"mounted", totals.mounted}, {"there", totals.there}}},
      {"bytes", {{"sent", totals.bytes}, {"resumed", totals.resumed}}}};
  // What registries say may hold any bytes.
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_failures(std::ostream& out, const SyncReport& report) {
  for (const auto& image : report.images)
    if (image.failure) print_failure(out, image.source, image.failure);
  for (const auto& tag : report.pruned)
    if (tag.failure) print_failure(out, tag.tag, tag.failure);
}

}  // namespace dash::cli
