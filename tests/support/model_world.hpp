// A world for whole builds in memory: an app that can be edited, a package index, base images, a registry,
// and machines with stores of their own. `builder::run_build` itself runs in it.
#pragma once

#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/build.hpp"
#include "builder/find_lock.hpp"
#include "oci/image_layout.hpp"
#include "oci/layer_writer.hpp"
#include "tests/support/fake_registry.hpp"
#include "tests/support/host_settings.hpp"
#include "tests/support/model_index.hpp"
#include "tests/support/model_sandbox.hpp"
#include "tests/support/recorded_events.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/filesystem/operations.hpp>
#include <sys/stat.h>

namespace dash::testing {

// What an author and a user of the program decide; made into files and a request.
struct ModelApp {
  struct File {
    std::string content;
    mode_t mode = 0644;
    bool operator==(const File&) const = default;
  };
  std::map<std::string, File> files = {{"app.py", {"server = 1"}},
                                       {"Procfile", {"web: gunicorn app:server"}}};
  std::map<std::string, std::string> requirements;  // limits by name: "", "==1.2"
  std::string requirements_comment;
  std::vector<std::string> apt_packages;
  std::string predeploy;  // empty: none
  std::string name = "shop";
  std::string base = "first";
  std::string compression = "zstd";
  std::size_t package_layers = builder::LayerLimits().layers;
  std::int64_t epoch = 315532800;
  std::vector<std::pair<std::string, std::string>> environment;

  std::map<std::string, File> all_files() const {
    auto out = files;
    std::string lines;
    for (const auto& [package, limit] : requirements) lines += concat(package, limit, '\n');
    out["requirements.txt"] = {lines + requirements_comment};
    std::string packages;
    for (const auto& package : apt_packages) packages += package + '\n';
    if (!packages.empty()) out["apt-packages"] = {packages};
    if (!predeploy.empty())
      out["app.json"] = {concat(R"({"scripts": {"dokku": {"predeploy": ")", predeploy, R"("}}})")};
    return out;
  }
};

// Memory where there is enough: a thousand stores are many fsyncs.
inline fs::path place_of_models() {
  boost::system::error_code error;
  const auto space = fs::space("/dev/shm", error);
  return !error && space.available > (std::uint64_t{256} << 20) ? fs::path("/dev/shm")
                                                                : fs::temp_directory_path();
}

class ModelWorld {
 public:
  ModelWorld() {
    write_file(uv_, "the model answers instead", 0755);
    make_base("first", "3.11.2", "1", "LANG=C.UTF-8");
    make_base("newer", "3.11.2", "2", "LANG=C.UTF-8");
    make_base("python", "3.12.1", "1", "LANG=C.UTF-8");
    make_base("settings", "3.11.2", "1", "LANG=de_DE.UTF-8");  // other variables on the first one's layers
  }

  static std::vector<std::string> bases() { return {"first", "newer", "python", "settings"}; }

  ModelIndex index;
  FakeRegistry registry;
  ThreadPool pool{2};

  fs::path app() const { return directory_.path() / "app"; }
  const fs::path& uv() const { return uv_; }
  fs::path base(const std::string& name) const { return directory_.path() / ("base-" + name); }

  // Makes the directory what the state says; files that are the same are not touched.
  void write(const ModelApp& state) {
    const auto wanted = state.all_files();
    for (const auto& [path, file] : written_)
      if (!wanted.contains(path)) remove_with_parents(path);
    for (const auto& [path, file] : wanted) {
      if (const auto old = written_.find(path); old != written_.end() && old->second == file) continue;
      make_directories((app() / path).parent_path());
      write_file(app() / path, file.content, file.mode);
    }
    written_ = wanted;
  }

 private:
  void remove_with_parents(const std::string& path) {
    fs::remove(app() / path);
    for (auto parent = fs::path(path).parent_path(); !parent.empty(); parent = parent.parent_path())
      if (fs::is_empty(app() / parent)) fs::remove(app() / parent);
  }

  void make_base(const std::string& name, const std::string& python, const std::string& version,
                 const std::string& variable) {
    auto layout = oci::ImageLayout::open_or_create(base(name));
    oci::LayerWriter writer({layout, pool, {}, 315532800});
    const std::map<std::string, std::string> files = {
        {"etc/group", "root:x:0:\n"},
        {"etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"},
        {kModelLibrary, "the base's"},
        {kModelPython, python},
        {kModelStatus,
         concat("Package: base-files\nStatus: install ok installed\nArchitecture: all\nVersion: ", version,
                "\n\n")}};
    for (const auto& [path, content] : files) {
      oci::TarEntry entry;
      entry.path = path;
      entry.mode = 0644;
      entry.size = content.size();
      writer.add(std::move(entry), as_bytes(content));
    }
    oci::ImageConfig config;
    config.platform.architecture = "amd64";
    config.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", variable};
    const auto layer = writer.finish();
    config.diff_ids = {layer.diff_id};
    layout.tag("latest", layout.store_image(config, {layer}));
  }

  TempDirectory directory_{place_of_models()};
  fs::path uv_ = directory_.path() / "uv";
  std::map<std::string, ModelApp::File> written_;
};

// One computer, with a store that is empty at first.
class ModelMachine {
 public:
  explicit ModelMachine(ModelWorld& world) : world_(world) {}

  builder::Store& store() { return store_; }
  ModelSandbox& sandbox() { return sandbox_; }
  builder::HostSettings& host() { return host_; }

  builder::Workbench bench(const ModelApp& app) {
    host_.source_date_epoch = app.epoch;
    return {store_,
            sandbox_,
            world_.index,
            world_.pool,
            events_,
            host_,
            oci::Compression::parse(app.compression),
            builder::Network::host,
            {},
            &world_.registry};
  }

  builder::BuildRequest request(const ModelApp& app) const {
    builder::BuildRequest out;
    out.app_directory = world_.app();
    out.name = oci::Reference::parse(app.name).with_default_tag();
    out.base = concat("oci:", world_.base(app.base).string(), ":latest");
    out.environment = app.environment;
    out.uv_program = world_.uv();
    out.pyc_files = builder::PycFiles::omit;
    out.package_layers = app.package_layers;
    return out;
  }

  builder::BuildReport build(const ModelApp& app, const builder::BuildRequest& request) {
    return builder::run_build(bench(app), request);
  }

 private:
  ModelWorld& world_;
  TempDirectory home_{place_of_models()};
  builder::Store store_{home_.path()};
  ModelSandbox sandbox_{store_, world_.index};
  RecordedEvents events_;
  builder::HostSettings host_ = host_settings();
};

}  // namespace dash::testing
