// What is installed below a prefix, and what pip installs there: the judge of native installation.
#pragma once

#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/support/tools.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>
#include <sys/stat.h>

namespace dash::testing {

struct InstalledNode {
  unsigned mode = 0;    // with the file type
  std::string content;  // target of a link; empty for .pyc files, whose bytes differ: ours are hash-based
  bool operator==(const InstalledNode&) const = default;
};
using InstalledTree = std::map<std::string, InstalledNode>;

// The files of a tree but those that are called like one of `left_out`, which RECORD files then do not have
// either.
inline InstalledTree read_installed_tree(const fs::path& root, const std::vector<std::string>& left_out) {
  auto is_left_out = [&](std::string_view path) {
    return std::ranges::any_of(left_out, [&](const std::string& name) { return path.ends_with("/" + name); });
  };
  InstalledTree out;
  for (fs::recursive_directory_iterator it(root), end; it != end; ++it) {
    const std::string path = it->path().lexically_relative(root).string();
    if (is_left_out(path)) continue;
    struct stat status {};
    REQUIRE(::lstat(it->path().c_str(), &status) == 0);
    InstalledNode node{status.st_mode, ""};
    if (S_ISLNK(status.st_mode)) node.content = fs::read_symlink(it->path()).string();
    if (S_ISREG(status.st_mode) && !path.ends_with(".pyc")) node.content = read_file(it->path());
    if (path.ends_with("/RECORD")) {
      std::string rows;
      for (const std::string_view line : split_lines(node.content))
        if (!is_left_out(line.substr(0, line.find(',')))) rows += concat(line, '\n');
      node.content = std::move(rows);
    }
    out.emplace(path, std::move(node));
  }
  return out;
}

// Checks that both have the same paths with the same modes and contents.
inline void check_same_installation(const InstalledTree& found, const InstalledTree& expected,
                                    const std::string& judge = "pip") {
  for (const auto& [path, node] : expected) {
    INFO(path);
    const auto there = found.find(path);
    if (there == found.end()) {
      FAIL_CHECK(concat("only ", judge, " installs it"));
    } else if (!(there->second == node)) {
      CHECK(there->second.mode == node.mode);
      CHECK(there->second.content == node.content);
    }
  }
  for (const auto& [path, node] : found) {
    INFO(path);
    if (!expected.contains(path)) FAIL_CHECK(concat(judge, " does not install it"));
  }
  SUCCEED();
}

// Runs pip, as its wheel holds it, in the environment `heroku`/python, seen at its place in the image, in a
// mount namespace of its own. `arguments` is shell text.
inline std::string run_pip(const fs::path& heroku, const fs::path& pip_wheel, const std::string& arguments) {
  return run_tool({"unshare", "--mount", "sh", "-euc",
                   concat("mkdir -p /app/.heroku; mount --bind '", heroku.string(),
                          "' /app/.heroku; umask 022; export PIP_DISABLE_PIP_VERSION_CHECK=1 "
                          "PIP_ROOT_USER_ACTION=ignore; /app/.heroku/python/bin/python '",
                          pip_wheel.string(), "/pip' ", arguments)});
}

// A bare environment like that of `environment`, for pip to work in.
inline void copy_bare_environment(const fs::path& environment, const fs::path& to) {
  make_directories(to / "bin");
  make_directories(to / "lib");
  fs::copy_file(environment / "pyvenv.cfg", to / "pyvenv.cfg");
  fs::copy_symlink(environment / "lib64", to / "lib64");
  for (const auto& entry : fs::directory_iterator(environment / "bin"))
    if (fs::is_symlink(entry.path())) fs::copy_symlink(entry.path(), to / "bin" / entry.path().filename());
}

}  // namespace dash::testing
