// A sandbox for whole builds without a container: it answers the commands that a build gives, and what it
// answers depends on everything that a real command sees.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "builder/python/pylock.hpp"
#include "builder/python/uv_compile.hpp"
#include "builder/sandbox.hpp"
#include "builder/store.hpp"
#include "builder/system/apt_script.hpp"
#include "builder/system/layer_files.hpp"
#include "tests/support/model_index.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/filesystem/directory.hpp>

namespace dash::testing {

// Files of a model base image or package that decide something.
inline constexpr const char* kModelPython = "usr/share/model/python";    // "3.11.2"
inline constexpr const char* kModelLibrary = "usr/share/model/library";  // what compiled packages link to
inline constexpr const char* kModelStatus = "var/lib/dpkg/status";

class ModelSandbox : public builder::Sandbox {
 public:
  ModelSandbox(builder::Store& store, const ModelIndex& index) : store_(store), index_(index) {}

  // The build is stopped when it has run so many more commands.
  void stop_after(int commands) {
    const std::scoped_lock guard(mutex_);
    left_ = commands;
  }
  void go_on() { stop_after(1 << 30); }
  std::vector<std::string> commands() const {
    const std::scoped_lock guard(mutex_);
    return commands_;
  }

  builder::SandboxResult run(const builder::SandboxCommand& command, std::stop_token) override {
    {
      const std::scoped_lock guard(mutex_);
      if (left_-- <= 0) throw Error(ErrorCode::canceled, "stopped by the test");
      commands_.push_back(kind_of(command));
    }
    builder::SandboxResult result;
    TempDirectory kept(store_.work());
    const auto changes = kept.path() / "upper";
    make_directories(changes);
    const auto kind = kind_of(command);
    if (kind == "probe")
      probe(command);
    else if (kind == "uv pip")
      result.exit_code = compile(command);
    else if (kind == "uv build")
      build_wheel(command);
    else if (kind == "apt")
      install(command, changes);
    else
      run_app_command(command, changes);
    if (command.changes == builder::Changes::keep) {
      result.change_owner.emplace(std::move(kept));
      result.changes = changes;
    }
    return result;
  }

 private:
  static std::string kind_of(const builder::SandboxCommand& command) {
    const auto& argv = command.argv;
    if (argv.at(0) == "/bin/sh" && argv.size() == 6) return "probe";
    if (argv[0].ends_with("/uv")) return concat("uv ", argv.at(1));
    if (argv.back().ends_with("/apt/script")) return "apt";
    if (argv[0] == "/bin/bash" && argv.size() == 5) return argv[3];
    throw Error(ErrorCode::internal, concat("the model knows no command ", shell_join(argv)));
  }

  static fs::path mounted(const builder::SandboxCommand& command, std::string_view target) {
    for (const auto& mount : command.mounts)
      if (mount.target == target) return mount.source;
    throw Error(ErrorCode::internal, concat("nothing is mounted at ", target));
  }

  std::string seen(const builder::SandboxCommand& command, const char* path) const {
    return builder::read_layer_files(store_.layers(), command.layers, {path}, {})[path];
  }

  // Everything that is below, to the last byte.
  static std::string identity(const builder::SandboxCommand& command) {
    std::string out;
    for (const auto& layer : command.layers) out += layer.diff_id.to_string() + '\n';
    return out;
  }

  static void put(const fs::path& root, const std::string& path, std::string_view content) {
    make_directories((root / path).parent_path());
    write_file(root / path, content);
  }

  void probe(const builder::SandboxCommand& command) const {
    auto version = seen(command, kModelPython);
    if (version.empty()) version = "3.11.2";
    const auto minor = std::string(split(version, '.').at(1));
    command.on_stdout_bytes(concat("executable=/usr/bin/python3.", minor, "\nversion=", version,
                                   "\nimplementation=cpython\ncache_tag=cpython-3", minor,
                                   "\nmachine=x86_64\nmagic=a7", minor, "0d0a\nlibc=glibc 2.36\n"));
  }

  static std::vector<std::string> lines_of(const fs::path& file) {
    std::vector<std::string> out;
    const auto text = read_file_if_exists(file).value_or("");
    for (const auto line : split_lines(text))
      if (!trim(line).empty() && !line.starts_with('-')) out.emplace_back(trim(line));
    return out;
  }

  static ModelIndex::Versions versions_in(const fs::path& lock) {
    ModelIndex::Versions out;
    if (const auto text = read_file_if_exists(lock))
      for (const auto& package : builder::Lock::parse(*text, "/").packages)
        out[package.name] = version_number(package.version);
    return out;
  }

  // The stand-ins that a lock is checked with.
  static ModelIndex::Versions wheels_in(const fs::path& directory) {
    ModelIndex::Versions out;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
      const auto file = entry.path().filename().string();
      const auto words = split(file, '-');
      std::string name(words.at(0));
      std::ranges::replace(name, '_', '-');
      out[name] = version_number(words.at(1));
    }
    return out;
  }

  int compile(const builder::SandboxCommand& command) const {
    const auto directory = mounted(command, builder::UvCompile::kDirectory);
    const auto has = [&](std::string_view option) {
      return std::ranges::find(command.argv, option) != command.argv.end();
    };
    auto lines = lines_of(directory / "requirements.txt");
    ModelIndex::Versions kept = versions_in(directory / "pylock.toml");
    if (has("--upgrade")) kept.clear();
    for (std::size_t i = 0; i + 1 < command.argv.size(); ++i)
      if (command.argv[i] == "--upgrade-package") kept.erase(command.argv[i + 1]);
    std::optional<ModelIndex::Versions> only;
    if (has("--no-index")) only = wheels_in(directory / "lock");
    const auto versions = index_.resolve(lines, kept, only);
    if (!versions) {
      command.on_output("error: the requirements can't be met");
      return 1;
    }
    if (!only) write_file(directory / "pylock.toml", index_.lock(*versions));
    return 0;
  }

  void build_wheel(const builder::SandboxCommand& command) const {
    const auto project = command.argv.back().substr(command.argv.back().rfind('/') + 1);
    const auto dash = project.rfind('-');
    const auto name = project.substr(0, dash), version = project.substr(dash + 1);
    write_file(mounted(command, "/out") / concat(project, "-py3-none-any.whl"),
               wheel_bytes(name, version, concat(project, seen(command, kModelLibrary))));
  }

  // What a package's files hold depends on the base, so that nothing of another one can stay unnoticed.
  static void install_package(const fs::path& changes, const std::string& name, const std::string& content,
                              std::string& status) {
    const auto place = concat("usr/share/", name);
    put(changes, place + "/data", random_text(name + content, 600));
    std::string list = concat("/.\n/usr\n/usr/share\n/", place, "\n/", place, "/data\n");
    if (name == "libmodel-dev") {
      put(changes, kModelLibrary, "libmodel of " + content);
      list += concat("/usr/share/model\n/", kModelLibrary, '\n');
    }
    if (name == "python3-next") {
      put(changes, kModelPython, "3.12.1");
      list += concat("/usr/share/model\n/", kModelPython, '\n');
    }
    put(changes, concat("var/lib/dpkg/info/", name, ".list"), list);
    status += concat("Package: ", name, "\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n");
  }

  void install(const builder::SandboxCommand& command, const fs::path& changes) const {
    const auto input = mounted(command, builder::kAptInputDirectory);
    auto status = seen(command, kModelStatus);
    std::map<std::string, std::string> wanted;  // as dpkg, in the order of names
    for (const auto& name : lines_of(input / "apt-packages")) wanted[name] = sha256_text(status);
    if (fs::is_directory(input / "debs"))
      for (fs::recursive_directory_iterator entry(input / "debs"), end; entry != end; ++entry)
        if (fs::is_regular_file(entry->path()))
          wanted[entry->path().stem().string()] = read_file(entry->path());
    std::string all;
    for (const auto& [name, content] : wanted) {
      install_package(changes, name, content, status);
      all += name + '\n';
    }
    put(changes, kModelStatus, status);
    put(changes, "etc/ld.so.cache", all);
  }

  static void run_app_command(const builder::SandboxCommand& command, const fs::path& changes) {
    std::string all = concat(command.argv[4], '\n', identity(command));
    for (const auto& variable : command.environment) all += variable + '\n';
    put(changes, concat("app/made-by-", command.argv[3]), sha256_text(all));
    put(changes, concat("srv/", command.argv[3]), "the same always");
  }

  static std::string sha256_text(std::string_view text) { return to_hex(sha256(text)); }

  builder::Store& store_;
  const ModelIndex& index_;
  mutable std::mutex mutex_;
  int left_ = 1 << 30;
  std::vector<std::string> commands_;
};

}  // namespace dash::testing
