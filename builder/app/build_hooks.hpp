// What an app asks to be run while its image is made, besides predeploy: bin/pre_compile, bin/post_compile,
// Django's collectstatic and nltk.txt, by the rules of the Heroku Python buildpack.
#pragma once

#include "builder/app/app_directory.hpp"
#include "builder/app/ignore_rules.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

inline constexpr const char* kPreCompileHook = "bin/pre_compile";
inline constexpr const char* kPostCompileHook = "bin/post_compile";

struct BuildHooks {
  enum class Hook { absent, present };
  Hook pre_compile = Hook::absent;
  Hook post_compile = Hook::absent;
  // The manage.py with the shortest way from the root, at most two directories down; empty: none. It only
  // counts when Django is installed.
  std::string manage_py;
  // A file .heroku/collectstatic_disabled.
  enum class Collectstatic { wanted, disabled } collectstatic = Collectstatic::wanted;
  // Names of corpora in nltk.txt; they only count when nltk is installed.
  std::vector<std::string> nltk_packages;
  std::vector<std::string> notes;
};

// Files that the ignore rules leave out of the image do not count. A hook that can't start, and a line of
// nltk.txt that can't be a name, are Error(invalid_input) with file and line.
BuildHooks read_build_hooks(const AppDirectory& app, const IgnoreRules& rules);

// For tests: the names in nltk.txt.
std::vector<std::string> parse_nltk_txt(std::string_view text);

}  // namespace dash::builder
