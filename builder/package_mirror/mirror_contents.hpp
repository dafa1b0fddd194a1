// What a mirror of packages has to have, so that apps build where there is no internet.
#pragma once

#include "builder/conda/explicit_lock.hpp"
#include "builder/image_records.hpp"
#include "builder/python/pylock.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace dash::builder {

struct MirrorContents {
  std::map<std::string, std::string>
      installers;  // of conda, by name ("Miniconda3-4.5.12"): SHA-256 in hex, or ""
  std::map<std::string, CondaPackageUrl> conda;  // by URL
  struct Distribution {
    std::string project;  // normalised name
    LockedFile file;      // with URL and SHA-256
  };
  std::map<std::string, Distribution> distributions;  // by file name
  // Python packages that are built from source; what building them needs is in no lock.
  std::map<std::string, std::string> built;  // by project: version
  bool python = false;                       // something is resolved by uv, which is then needed too

  // What the image was built from, without what its conda installer has. Error(not_found) when it carries no
  // lock: another program built it, or it has neither conda nor Python packages; Error(unsupported) when
  // conda itself installed. As every maker of a lock may be wrong, names are checked, and two files of one
  // name are Error(invalid_input).
  void add_image(const ImageRecords& image, std::string_view shown);
  // A lock: of conda ("@EXPLICIT") or of Python (pylock.toml). Error(invalid_input) naming `file` for
  // neither.
  void add_lock(std::string_view text, std::string_view file);

 private:
  // The URLs of what is in the installer.
  std::set<std::string> add_runtime(const StepRecord& record, std::string_view shown);
  void add_conda(const ExplicitLock& lock, const std::set<std::string>& without, std::string_view place);
  void add_python(const Lock& lock, std::string_view place);
};

}  // namespace dash::builder
