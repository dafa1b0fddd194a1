#include "builder/package_mirror/mirror_contents.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/app/conda_runtime.hpp"
#include "builder/conda/lock_text.hpp"
#include "builder/find_lock.hpp"
#include "builder/steps/conda_steps.hpp"
#include "builder/steps/steps.hpp"

#include <algorithm>

namespace dash::builder {
namespace {

std::string fact(const StepRecord& record, const char* name) {
  const auto found = record.facts.find(name);
  return found == record.facts.end() ? "" : found->second;
}

// One mirror has one file of a name.
Error two_files(const std::string& name, std::string_view place) {
  return Error(ErrorCode::invalid_input,
               concat(place, " has another ", name, " than what was named before it"))
      .with_hint("Its server replaced the file: build the older app again, or make a mirror for each.");
}

}  // namespace

void MirrorContents::add_image(const ImageRecords& image, std::string_view shown) {
  const auto runtime = std::ranges::find(image.steps, std::string_view(kCondaRuntimeStep),
                                         [](const KeyedRecord& step) { return step.record.step; });
  const bool is_conda = runtime != image.steps.end();
  const auto conda_lock = find_conda_lock(image);
  const auto python_lock = find_lock(image);
  if (is_conda && !conda_lock)
    throw Error(ErrorCode::unsupported,
                concat("conda itself installed the packages of ", shown, ", and nothing says which they are"))
        .with_hint("Build it without --conda-install=conda, with an installer that can be read.");
  if (!is_conda && !python_lock)
    throw Error(ErrorCode::not_found, concat(shown, " carries no lock of conda or Python packages"))
        .with_hint(
            "Only images that this version of 'dash-build build' made of such apps say what is in them.");
  if (is_conda)
    add_conda(parse_explicit_lock(*conda_lock, shown), add_runtime(runtime->record, shown), shown);
  if (python_lock) add_python(Lock::parse_given(*python_lock, "/", shown), shown);
}

std::set<std::string> MirrorContents::add_runtime(const StepRecord& record, std::string_view shown) {
  const auto leaf = std::ranges::find(record.leaves, kCondaRuntimeLeaf, &Leaf::name);
  if (leaf == record.leaves.end()) return {};
  // Images come from anywhere: the name becomes part of a path.
  const auto name = with_context(concat("in the records of ", shown),
                                 [&] { return parse_conda_runtime(leaf->value).installer; });
  installers[name] = fact(record, kInstallerDigestFact);
  std::set<std::string> urls;
  if (const std::string packages = fact(record, kRuntimePackagesFact); !packages.empty())
    for (const CondaPackageUrl& package : lock_from_json(packages).packages) urls.insert(package.url);
  return urls;
}

void MirrorContents::add_lock(std::string_view text, std::string_view file) {
  if (is_explicit(text))
    add_conda(parse_explicit_lock(text, file), {}, file);
  else
    add_python(Lock::parse_given(text, "/", file), file);
}

void MirrorContents::add_conda(const ExplicitLock& lock, const std::set<std::string>& without,
                               std::string_view place) {
  for (const CondaPackageUrl& package : lock.packages) {
    if (without.contains(package.url)) continue;
    const auto& known = conda.emplace(package.url, package).first->second;
    const bool differs = !known.digests.md5.empty() && !package.digests.md5.empty() &&
                         known.digests.md5 != package.digests.md5;
    if (differs) throw two_files(package.file_name(), place);
  }
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
      if (contains(file->file_name, "/") || file->file_name.starts_with('.'))
        throw Error(ErrorCode::invalid_input,
                    concat(place, ": ", dash::quoted(file->file_name), " is no file name"))
            .with_hint("Make the lock anew.");
      const auto& known =
          distributions.emplace(file->file_name, Distribution{package.name, *file}).first->second;
      if (known.file.sha256 != file->sha256) throw two_files(file->file_name, place);
    }
  }
}

}  // namespace dash::builder
