#include "builder/packages/write_layers.hpp"

#include "base/error.hpp"
#include "base/task_group.hpp"
#include "base/thread_pool.hpp"
#include "builder/image_config.hpp"
#include "oci/layer_writer.hpp"

#include <algorithm>
#include <deque>
#include <future>
#include <stop_token>

namespace dash::builder {
namespace {

// How much content may wait for its turn, in all layers together. A file larger than a layer's share waits
// alone.
constexpr std::uint64_t kWindow = std::uint64_t{64} << 20;

// Layers that are written at once. Each compresses with several threads already; what is gained by more than
// one is that a small layer's turn, or a wait for byte code, stops nothing.
constexpr unsigned kMostWriters = 3;

// Makes the entries' content in order, ahead of the reader, on the pool.
class ReadAhead {
 public:
  ReadAhead(ThreadPool& pool, const std::vector<LayerEntry>& entries, std::uint64_t window)
      : pool_(pool), entries_(entries), window_(window) {}
  // The tasks refer to the entries.
  ~ReadAhead() {
    for (Slot& slot : slots_) slot.content.wait();
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // Content of the next entry that has a function.
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
    for (; next_ < entries_.size(); ++next_) {
      const LayerEntry& entry = entries_[next_];
      if (!entry.read) continue;
      if (!slots_.empty() && waiting_ + entry.entry.size > window_) return;
      waiting_ += entry.entry.size;
      slots_.push_back({pool_.submit([&entry] { return entry.read(); }), entry.entry.size});
    }
  }

  ThreadPool& pool_;
  const std::vector<LayerEntry>& entries_;
  std::uint64_t window_;
  std::size_t next_ = 0;
  std::deque<Slot> slots_;
  std::uint64_t waiting_ = 0;
};

oci::Layer write(const Workbench& bench, const std::vector<LayerEntry>& entries, std::uint64_t window,
                 const std::stop_token& stop) {
  oci::LayerWriter writer(bench.layer_settings());
  ReadAhead content(bench.pool, entries, window);
  for (const LayerEntry& entry : entries) {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "stopped while writing packages");
    if (entry.read)
      writer.add(entry.entry, as_bytes(content.next()));
    else if (!entry.mapped.empty())
      writer.add(entry.entry, entry.mapped);
    else
      writer.add(entry.entry, as_bytes(entry.text));
  }
  return writer.finish();
}

}  // namespace

LayerEntry package_entry(std::string path, unsigned mode) {
  LayerEntry out;
  out.entry.path = std::move(path);
  out.entry.mode = mode;
  out.entry.uid = kAppUser;
  out.entry.gid = kAppUser;
  return out;
}

void LayerEntries::add(LayerEntry entry) {
  if (entry.entry.type == EntryType::directory) return add_directory(std::move(entry.entry.path));
  LayerEntry& place = entries_[entry.entry.path];
  place = std::move(entry);
}

void LayerEntries::add_text(std::string path, std::string text) {
  LayerEntry entry = package_entry(std::move(path), 0644);
  entry.entry.size = text.size();
  entry.text = std::move(text);
  add(std::move(entry));
}

void LayerEntries::add_link(std::string path, std::string target) {
  LayerEntry entry = package_entry(std::move(path), 0777);
  entry.entry.type = EntryType::symlink;
  entry.entry.link_target = std::move(target);
  add(std::move(entry));
}

std::vector<LayerEntry> LayerEntries::finish() && {
  // A directory that is added may lead to others too.
  std::set<std::string> directories = directories_;
  const auto add_above = [&directories](std::string_view path) {
    for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1))
      directories.emplace(path.substr(0, slash));
  };
  for (const std::string& directory : directories_) add_above(directory);
  for (const auto& [path, entry] : entries_) add_above(path);
  std::vector<LayerEntry> out;
  for (auto& [path, entry] : entries_) out.push_back(std::move(entry));
  for (const std::string& directory : directories) {
    LayerEntry entry = package_entry(directory, 0755);
    entry.entry.type = EntryType::directory;
    out.push_back(std::move(entry));
  }
  std::ranges::sort(out, oci::layer_path_less,
                    [](const LayerEntry& entry) -> const std::string& { return entry.entry.path; });
  return out;
}

oci::Layer write_layer(const Workbench& bench, const LayerContent& content) {
  return write(bench, content.entries, kWindow, bench.stop);
}

void write_layers(const Workbench& bench, std::size_t count, const ContentOfLayer& content,
                  const LayerWritten& written) {
  const auto threads =
      static_cast<unsigned>(std::min<std::size_t>({count, kMostWriters, bench.pool.threads()}));
  ThreadPool writers(threads);  // a layer must not be written inside a task of the bench's pool
  TaskGroup group(bench.stop);
  group.for_each(writers, count, [&](std::size_t i) {
    const LayerContent made = content(i);
    written(i, write(bench, made.entries, kWindow / writers.threads(), group.stop()));
  });
}

}  // namespace dash::builder
