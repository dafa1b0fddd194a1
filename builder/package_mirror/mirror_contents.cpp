#include "builder/package_mirror/mirror_contents.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/steps/conda_steps.hpp"
#include "builder/steps/steps.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

std::string fact(const StepRecord& record, const char* name) {
  const auto found = record.facts.find(name);
  return found == record.facts.end() ? "" : found->second;
}

}  // namespace

void MirrorContents::add_image(const ImageRecords& image, std::string_view shown) {
  bool found = false;
  for (const KeyedRecord& step : image.steps) {
    const StepRecord& record = step.record;
    if (record.step == kCondaRuntimeStep) {
      const auto leaf = std::ranges::find(record.leaves, kCondaRuntimeLeaf, &Leaf::name);
      if (leaf == record.leaves.end()) continue;
      installers[leaf->value] = fact(record, kInstallerDigestFact);
      found = true;
    }
    const std::string lock = fact(record, kLockFact);
    if (lock.empty()) continue;
    found = true;
    if (record.step == kCondaPackagesStep) add_conda(parse_explicit_lock(lock, shown));
    if (record.step == kPythonPackagesStep) add_python(Lock::parse_given(lock, "/", shown), shown);
  }
  if (!found)
    throw Error(ErrorCode::not_found, concat(shown, " carries no lock of conda or Python packages"))
        .with_hint(
            "Only images that this version of 'dash-build build' made of such apps say what is in them.");
}

void MirrorContents::add_lock(std::string_view text, std::string_view file) {
  if (is_explicit(text))
    add_conda(parse_explicit_lock(text, file));
  else
    add_python(Lock::parse_given(text, "/", file), file);
}

void MirrorContents::add_conda(const ExplicitLock& lock) {
  for (const CondaPackageUrl& package : lock.packages) conda.insert_or_assign(package.url, package);
}

void MirrorContents::add_python(const Lock& lock, std::string_view place) {
  python = true;
  for (const LockedPackage& package : lock.packages) {
    std::vector<const LockedFile*> files;
    for (const LockedFile& wheel : package.wheels) files.push_back(&wheel);
    if (package.sdist && package.wheels.empty()) {
      files.push_back(&*package.sdist);
      built.emplace(package.name, package.version);
    }
    for (const LockedFile* file : files) {
      if (!file->url.starts_with("http")) continue;  // of the app itself
      if (!file->sha256)
        throw Error(ErrorCode::unsupported, concat(place, " says no SHA-256 of ", file->file_name))
            .with_hint("What is mirrored is verified: lock from an index that has hashes.");
      distributions.insert_or_assign(file->file_name, Distribution{package.name, *file});
    }
  }
}

}  // namespace dash::builder
