#include "builder/python/environment_layer.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/image_config.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <future>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <thread>

namespace dash::builder {
namespace {

// How much inflated content may wait for its turn, in all layers together. A file larger than a layer's share
// waits alone.
constexpr std::uint64_t kWindow = std::uint64_t{64} << 20;

// Layers that are written at once. Each compresses with several threads already; what is gained by more than
// one is that a small layer's turn, or a wait for byte code, stops nothing.
constexpr unsigned kMostWriters = 3;

// One entry of the layer, with where its content is.
struct Item {
  oci::TarEntry entry;
  const InstalledDistribution* owner = nullptr;  // none: the environment itself
  const ZipEntry* packed = nullptr;              // content in the owner's wheel
  std::string text;                              // content that was made
  Bytes mapped;                                  // content in a mapped file
};

// What is in one layer. Later items replace earlier ones of the same path.
class ItemSet {
 public:
  explicit ItemSet(const InstallScheme& scheme) : scheme_(scheme) {}

  void add_environment() {
    const std::string prefix = scheme_.prefix.substr(1);
    const std::string& executable = scheme_.interpreter.executable;
    const std::string home = executable.substr(0, executable.rfind('/'));
    // What `python -m venv` writes, without the command line that made it.
    add_text(prefix + "/pyvenv.cfg",
             concat("home = ", home, "\ninclude-system-site-packages = false\nversion = ",
                    scheme_.interpreter.version, "\nexecutable = ", executable, '\n'));
    add_link(prefix + "/bin/python", executable);
    add_link(prefix + "/bin/python3", "python");
    add_link(concat(prefix, "/bin/python", scheme_.interpreter.minor_version()), "python");
    add_link(prefix + "/lib64", "lib");
    directories_.insert(scheme_.site_packages().substr(1));
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
  static Item make(std::string path, unsigned mode) {
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

  void add(Item item) {
    Item& place = items_[item.entry.path];
    place = std::move(item);
  }

  std::string relative_to_site_packages(const std::string& path) const {
    const std::string site_packages = scheme_.site_packages().substr(1) + '/';
    if (path.starts_with(site_packages)) return path.substr(site_packages.size());
    return "../../.." + path.substr(scheme_.prefix.size() - 1);
  }

  const InstallScheme& scheme_;
  std::map<std::string, Item> items_;
  std::set<std::string> directories_;
};

// Inflates the items' content in order, ahead of the reader, on the pool.
class ReadAhead {
 public:
  ReadAhead(ThreadPool& pool, const std::vector<Item>& items, std::uint64_t window)
      : pool_(pool), items_(items), window_(window) {}
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
      if (!slots_.empty() && waiting_ + item.entry.size > window_) return;
      waiting_ += item.entry.size;
      slots_.push_back(
          {pool_.submit([&item] { return item.owner->wheel->read(*item.packed); }), item.entry.size});
    }
  }

  ThreadPool& pool_;
  const std::vector<Item>& items_;
  std::uint64_t window_;
  std::size_t next_ = 0;
  std::deque<Slot> slots_;
  std::uint64_t waiting_ = 0;
};

oci::Layer write_layer(const Workbench& bench, const std::vector<Item>& items, std::uint64_t window,
                       const std::stop_token& abandoned = {}) {
  oci::LayerWriter writer(bench.layer_settings());
  ReadAhead content(bench.pool, items, window);
  for (const Item& item : items) {
    if (bench.stop.stop_requested() || abandoned.stop_requested())
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

// Writes groups on threads of its own: a layer must not be written inside a task of the pool.
class GroupWriter {
 public:
  GroupWriter(const Workbench& bench, const InstallScheme& scheme, const std::vector<PackageGroup>& groups,
              const BytecodeSource& bytecode, const LayerWritten& written)
      : bench_(bench), scheme_(scheme), groups_(groups), bytecode_(bytecode), written_(written) {}

  void write() {
    const std::size_t count = std::min<std::size_t>({groups_.size(), kMostWriters, bench_.pool.threads()});
    window_ = kWindow / std::max<std::size_t>(count, 1);
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work() noexcept {
    for (std::size_t i = next_++; i < groups_.size() && !failed_.stop_requested(); i = next_++) {
      try {
        written_(i, write(groups_[i]));
      } catch (...) {
        // Of the first: the others stop because of it.
        if (failed_.request_stop()) failure_ = std::current_exception();
      }
    }
  }

  oci::Layer write(const PackageGroup& group) const {
    ItemSet set(scheme_);
    std::deque<Bytecode> bytecode;  // mapped as long as the items
    for (const InstalledDistribution* distribution : group) {
      if (bytecode_) bytecode.push_back(bytecode_(*distribution));
      set.add_distribution(*distribution, bytecode_ ? &bytecode.back() : nullptr);
    }
    return write_layer(bench_, set.finish(), window_, failed_.get_token());
  }

  const Workbench& bench_;
  const InstallScheme& scheme_;
  const std::vector<PackageGroup>& groups_;
  const BytecodeSource& bytecode_;
  const LayerWritten& written_;
  std::uint64_t window_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::stop_source failed_;
  std::exception_ptr failure_;  // written once, read after the threads
};

}  // namespace

std::vector<std::string> environment_files(const InstallScheme& scheme) {
  ItemSet set(scheme);
  set.add_environment();
  std::vector<std::string> out;
  for (const Item& item : set.finish())
    if (item.entry.type != EntryType::directory) out.push_back(item.entry.path);
  return out;
}

oci::Layer write_environment_layer(const Workbench& bench, const InstallScheme& scheme) {
  ItemSet set(scheme);
  set.add_environment();
  return write_layer(bench, set.finish(), kWindow);
}

void write_package_layers(const Workbench& bench, const InstallScheme& scheme,
                          const std::vector<PackageGroup>& groups, const BytecodeSource& bytecode,
                          const LayerWritten& written) {
  GroupWriter(bench, scheme, groups, bytecode, written).write();
}

}  // namespace dash::builder
