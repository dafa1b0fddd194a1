// .slugignore and .dockerignore: what of an app's source stays out of the image.
#pragma once

#include "base/archive.hpp"
#include "builder/app/app_directory.hpp"
#include "builder/app/glob.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// What either file ignores is ignored. Immutable; may be used by several threads at once.
class IgnoreRules {
 public:
  // Ignores nothing.
  IgnoreRules() = default;

  // A set that is not closed, or a "!" without a pattern, is an Error(invalid_input) with its line.
  static IgnoreRules parse(std::string_view slugignore, std::string_view dockerignore);
  static IgnoreRules read(const AppDirectory& app);

  // What was not understood as the author meant it; each names file and line.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // What the rules say about one path. A path's verdict needs that of its directory.
  class Verdict {
   public:
    bool ignored() const { return slug_ || docker_; }

   private:
    friend class IgnoreRules;
    bool slug_ = false;
    bool docker_ = false;
    std::vector<char>
        matched_;  // by number of the .dockerignore pattern: it matches the path or one above it
  };

  Verdict root() const;
  Verdict judge(const Verdict& parent, std::string_view path, EntryType type) const;
  // Whether an ignored directory can hold something that is not ignored.
  bool may_keep_below(const Verdict& directory) const { return !directory.slug_ && has_exceptions_; }

 private:
  struct SlugPattern {
    Glob glob;
    bool directories_only = false;
  };
  struct DockerPattern {
    Glob glob;
    bool exception = false;
  };

  void add_slug_line(std::string_view line, std::size_t number);
  void add_docker_line(std::string_view line, std::size_t number);

  std::vector<SlugPattern> slug_;
  std::vector<DockerPattern> docker_;
  std::vector<std::string> warnings_;
  bool has_exceptions_ = false;
};

}  // namespace dash::builder
