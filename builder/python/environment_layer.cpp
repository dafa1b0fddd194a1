#include "builder/python/environment_layer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <deque>
#include <future>
#include <map>
#include <set>

namespace dash::builder {
namespace {

// How much inflated content may wait for its turn. One file larger than it waits alone.
constexpr std::uint64_t kWindow = std::uint64_t{64} << 20;

// One entry of the layer, with where its content is.
struct Item {
  oci::TarEntry entry;
  const InstalledDistribution* owner = nullptr;  // none: the environment itself
  const ZipEntry* packed = nullptr;              // content in the owner's wheel
  std::string text;                              // content that was made
  Bytes mapped;                                  // content in a mapped file
};

class ItemSet {
 public:
  ItemSet(const Workbench& bench, const EnvironmentLayer& contents) : bench_(bench), contents_(contents) {}

  void add_skeleton() {
    const InstallScheme& scheme = contents_.scheme;
    const std::string prefix = scheme.prefix.substr(1);
    const std::string& executable = scheme.interpreter.executable;
    const std::string home = executable.substr(0, executable.rfind('/'));
    // What `python -m venv` writes, without the command line that made it.
    add_text(prefix + "/pyvenv.cfg",
             concat("home = ", home, "\ninclude-system-site-packages = false\nversion = ",
                    scheme.interpreter.version, "\nexecutable = ", executable, '\n'));
    add_link(prefix + "/bin/python", executable);
    add_link(prefix + "/bin/python3", "python");
    add_link(concat(prefix, "/bin/python", scheme.interpreter.minor_version()), "python");
    add_link(prefix + "/lib64", "lib");
    add_directory(scheme.site_packages().substr(1));
  }

  void add_distribution(const InstalledDistribution& distribution, const Bytecode* bytecode) {
    for (const InstalledFile& file : distribution.files) {
      Item item = make(file.path, file.mode);
      item.owner = &distribution;
      if (const auto* packed = std::get_if<const ZipEntry*>(&file.content)) {
        item.packed = *packed;
        item.entry.size = (*packed)->size;
      } else {
        item.text = std::get<std::string>(file.content);
        item.entry.size = item.text.size();
      }
      add(std::move(item));
    }
    std::vector<RecordRow> record = distribution.record;
    const std::string site_packages = contents_.scheme.site_packages().substr(1) + '/';
    for (const CompileJob& source : distribution.sources) {
      const std::optional<Bytes> pyc =
          bytecode == nullptr ? std::nullopt : bytecode->find(source.source->path);
      if (!pyc) continue;
      Item item = make(source.pyc_path, 0644);
      item.owner = &distribution;
      item.mapped = *pyc;
      item.entry.size = pyc->size();
      add(std::move(item));
      record.push_back({relative_to_site_packages(source.pyc_path), "", ""});
    }
    Item item = make(distribution.record_path, 0644);
    item.owner = &distribution;
    item.text = format_record(std::move(record));
    item.entry.size = item.text.size();
    add(std::move(item));
  }

  // All entries in the order of the layer, with the directories that lead to them.
  std::vector<Item> finish() {
    std::set<std::string> directories = std::move(directories_);
    for (const auto& [path, item] : items_)
      for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
        directories.insert(path.substr(0, slash));
    for (const std::string& directory : directories) {
      const auto file = items_.find(directory);
      if (file != items_.end())
        throw Error(ErrorCode::invalid_input,
                    concat(owner_of(file->second),
                           " installs a file where another package needs a directory: /", directory))
            .with_hint("The two packages cannot be installed together. Remove one from the requirements.");
    }
    std::vector<Item> out;
    for (auto& [path, item] : items_) out.push_back(std::move(item));
    for (const std::string& directory : directories) {
      Item item = make(directory, 0755);
      item.entry.type = EntryType::directory;
      out.push_back(std::move(item));
    }
    std::ranges::sort(out, oci::layer_path_less,
                      [](const Item& item) -> const std::string& { return item.entry.path; });
    return out;
  }

 private:
  Item make(std::string path, unsigned mode) const {
    Item item;
    item.entry.path = std::move(path);
    item.entry.mode = mode;
    item.entry.uid = kAppUser;
    item.entry.gid = kAppUser;
    return item;
  }

  void add_text(std::string path, std::string text) {
    Item item = make(std::move(path), 0644);
    item.entry.size = text.size();
    item.text = std::move(text);
    add(std::move(item));
  }

  void add_link(std::string path, std::string target) {
    Item item = make(std::move(path), 0777);
    item.entry.type = EntryType::symlink;
    item.entry.link_target = std::move(target);
    add(std::move(item));
  }

  void add_directory(std::string path) { directories_.insert(std::move(path)); }

  void add(Item item) {
    std::string path = item.entry.path;
    const auto [there, is_new] = items_.try_emplace(path);
    if (!is_new && there->second.owner != item.owner && item.mapped.empty() && !is_equal(there->second, item))
      bench_.warn(contents_.step, concat("/", path, " of ", owner_of(there->second),
                                         " is replaced by the one of ", owner_of(item)));
    there->second = std::move(item);
  }

  // Whether it makes no difference which of two files stays, as far as a checksum tells.
  static bool is_equal(const Item& a, const Item& b) {
    return a.packed != nullptr && b.packed != nullptr && a.packed->crc == b.packed->crc &&
           a.packed->size == b.packed->size && a.entry.mode == b.entry.mode;
  }

  static std::string owner_of(const Item& item) {
    return item.owner == nullptr ? "the environment" : concat(item.owner->name, ' ', item.owner->version);
  }

  std::string relative_to_site_packages(const std::string& path) const {
    const std::string site_packages = contents_.scheme.site_packages().substr(1) + '/';
    if (path.starts_with(site_packages)) return path.substr(site_packages.size());
    return "../../.." + path.substr(contents_.scheme.prefix.size() - 1);
  }

  const Workbench& bench_;
  const EnvironmentLayer& contents_;
  std::map<std::string, Item> items_;
  std::set<std::string> directories_;
};

// Inflates the items' content in order, ahead of the reader, on the pool.
class ReadAhead {
 public:
  ReadAhead(ThreadPool& pool, const std::vector<Item>& items) : pool_(pool), items_(items) {}
  // The tasks refer to the items.
  ~ReadAhead() {
    for (Slot& slot : slots_) slot.content.wait();
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Content of the next item that is packed.
  std::string next() {
    fill();
    Slot slot = std::move(slots_.front());
    slots_.pop_front();
    waiting_ -= slot.size;
    return slot.content.get();
  }

 private:
  struct Slot {
    std::future<std::string> content;
    std::uint64_t size = 0;
  };

  void fill() {
    for (; next_ < items_.size(); ++next_) {
      const Item& item = items_[next_];
      if (item.packed == nullptr) continue;
      if (!slots_.empty() && waiting_ + item.entry.size > kWindow) return;
      waiting_ += item.entry.size;
      slots_.push_back(
          {pool_.submit([&item] { return item.owner->wheel->read(*item.packed); }), item.entry.size});
    }
  }

  ThreadPool& pool_;
  const std::vector<Item>& items_;
  std::size_t next_ = 0;
  std::deque<Slot> slots_;
  std::uint64_t waiting_ = 0;
};

}  // namespace

oci::Layer write_environment_layer(const Workbench& bench, const EnvironmentLayer& contents) {
  ItemSet set(bench, contents);
  if (contents.skeleton == EnvironmentLayer::Skeleton::yes) set.add_skeleton();
  for (std::size_t i = 0; i < contents.distributions.size(); ++i)
    set.add_distribution(contents.distributions[i],
                         contents.bytecode.empty() ? nullptr : &contents.bytecode[i]);
  const std::vector<Item> items = set.finish();

  oci::LayerWriter writer(bench.layer_settings());
  ReadAhead content(bench.pool, items);
  for (const Item& item : items) {
    if (bench.stop.stop_requested())
      throw Error(ErrorCode::canceled, "stopped while writing Python packages");
    if (item.packed != nullptr)
      writer.add(item.entry, as_bytes(content.next()));
    else if (!item.mapped.empty())
      writer.add(item.entry, item.mapped);
    else
      writer.add(item.entry, as_bytes(item.text));
  }
  return writer.finish();
}

}  // namespace dash::builder
