#include "builder/python/bytecode.hpp"

#include "base/error.hpp"
#include "base/mapped_file.hpp"
#include "base/text.hpp"
#include "builder/python/bytecode_program.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

// The file format: this line, then for each source u32 length of its name, u32 length of the .pyc (0: it does
// not compile), the name, the .pyc; numbers are little-endian.
constexpr std::string_view kMagic = "dash-build bytecode 1\n";
constexpr std::size_t kHeaderSize = 8;
constexpr std::uint32_t kMaxPyc = std::uint32_t{256} << 20;

constexpr const char* kFiles = "/run/dash-build/files";
constexpr const char* kLists = "/run/dash-build/lists";

std::uint32_t u32(const std::byte* at) {
  std::uint32_t out = 0;
  for (unsigned i = 4; i-- > 0;) out = (out << 8U) | std::to_integer<std::uint32_t>(at[i]);
  return out;
}

std::string u32_text(std::size_t value) {
  std::string out;
  for (unsigned i = 0; i < 4; ++i) out += static_cast<char>((value >> (8 * i)) & 0xffU);
  return out;
}

// The cache file of one package while its answers come in.
class CacheFile {
 public:
  CacheFile(fs::path path, std::size_t expected) : path_(std::move(path)), left_(expected) {
    if (left_ == 0) begin();
  }

  void add(std::string_view entry, Bytes pyc) {
    if (!file_) begin();
    file_->write(as_bytes(concat(u32_text(entry.size()), u32_text(pyc.size()), entry)));
    file_->write(pyc);
    if (--left_ == 0) finish();
  }

  bool complete() const { return left_ == 0; }
  void finish() {
    file_->commit(path_);
    file_.reset();
  }

 private:
  void begin() {
    file_.emplace(path_.parent_path());
    file_->write(as_bytes(kMagic));
  }

  fs::path path_;
  std::size_t left_;
  std::optional<TempFile> file_;
};

struct Job {
  std::string name;
  CacheFile* file;
};

// A pipe whose writer never waits: what does not fit is kept and written later.
class JobPipe {
 public:
  JobPipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("cannot make a pipe", errno);
    read_ = UniqueFd(ends[0]);
    write_ = UniqueFd(ends[1]);
    ::fcntl(write_.get(), F_SETFL, O_NONBLOCK);
  }

  int read_end() const { return read_.get(); }

  void add(std::size_t list, std::size_t job) { waiting_ += u32_text(list) + u32_text(job); }
  // No more jobs come; the reader sees the end after those that wait.
  void close() {
    closing_ = true;
    flush();
  }
  void flush() {
    while (!waiting_.empty()) {
      // Pieces of whole records that the kernel takes as a whole or not at all (pipe(7), PIPE_BUF).
      const auto count =
          ::write(write_.get(), waiting_.data(), std::min<std::size_t>(waiting_.size(), PIPE_BUF));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return;  // full; answers will tell when to go on
      waiting_.erase(0, static_cast<std::size_t>(count));
    }
    if (closing_) write_.reset();
  }

 private:
  UniqueFd read_;  // open as long as the object, so that writing cannot fail
  UniqueFd write_;
  std::string waiting_;
  bool closing_ = false;
};

}  // namespace

struct BytecodeCompiler::State {
  State(const Workbench& workbench, std::string step_name, CompilerSettings wanted)
      : bench(workbench),
        step(std::move(step_name)),
        settings(std::move(wanted)),
        place(to_hex(sha256(concat(settings.place, '\n', kCompiler))).substr(0, 16)),
        lists(bench.store.work_directory()) {}

  const Workbench& bench;
  const std::string step;
  const CompilerSettings settings;
  const std::string place;
  const TempDirectory lists;

  std::mutex mutex;  // guards what follows, up to `stop`
  std::vector<Job> jobs;
  std::vector<bool> answered;
  std::vector<std::unique_ptr<CacheFile>> files;
  std::map<fs::path, const CacheFile*> files_by_path;
  std::vector<std::shared_ptr<const void>> owners;
  JobPipe pipe;
  std::string pending;  // output of the compiler, up to a whole answer
  std::exception_ptr failure;
  bool ended = false;                // the run is over
  std::condition_variable progress;  // a file is complete, or the run is over

  std::stop_source stop;
  std::thread runner;

  void start() {
    runner = std::thread([this] {
      try {
        const std::stop_callback stop_with_build(bench.stop, [this] { stop.request_stop(); });
        run();
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      ended = true;
      progress.notify_all();
    });
  }

  void run() {
    SandboxCommand command;
    command.layers = settings.layers;
    if (settings.extra_layers) command.extra_layers = settings.extra_layers();
    // Not isolated mode: it would ignore the hash seed, which orders set constants in some versions.
    command.argv = {settings.executable,
                    "-s",
                    "-S",
                    "-c",
                    kCompiler,
                    kLists,
                    std::to_string(bench.pool.threads()),
                    std::to_string(settings.source_time)};
    command.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONHASHSEED=0"};
    for (std::size_t i = 0; i < settings.directories.size(); ++i)
      command.mounts.push_back({settings.directories[i], mounted_at(i), SandboxMount::Access::read_only});
    command.mounts.push_back({lists.path(), kLists, SandboxMount::Access::read_only});
    command.input_fd = pipe.read_end();
    command.on_stdout_bytes = [this](std::string_view bytes) { take(bytes); };
    const SandboxResult result = bench.sandbox.run(command, stop.get_token());
    if (result.exit_code != 0)
      throw Error(ErrorCode::step_failed,
                  concat("compiling Python modules failed (exit code ", result.exit_code, ")"))
          .with_output(result.tail)
          .with_hint(
              "This is not about the modules' content: the interpreter of the base image may be broken.");
  }

  // Takes the compiler's output apart, however it is cut. A failure is kept, so that the command is always
  // waited for.
  void take(std::string_view bytes) {
    const std::lock_guard lock(mutex);
    if (failure) return;
    try {
      pending += bytes;
      std::size_t at = 0;
      while (const std::size_t size = answer(std::string_view(pending).substr(at))) at += size;
      pending.erase(0, at);
      pipe.flush();
    } catch (...) {
      failure = std::current_exception();
      stop.request_stop();
    }
  }

  // Handles the answer at the front; returns its size, 0 when it is not whole yet.
  std::size_t answer(std::string_view output) {
    if (output.size() < kHeaderSize) return 0;
    const auto* header = reinterpret_cast<const std::byte*>(output.data());
    const std::size_t index = u32(header);
    const std::size_t size = u32(header + 4);
    if (index >= jobs.size() || answered[index] || size > kMaxPyc)
      throw Error(ErrorCode::step_failed, "the byte code compiler gave an answer that makes no sense");
    if (output.size() - kHeaderSize < size) return 0;
    answered[index] = true;
    CacheFile& file = *jobs[index].file;
    file.add(jobs[index].name, as_bytes(output.substr(kHeaderSize, size)));
    if (file.complete()) progress.notify_all();
    return kHeaderSize + size;
  }

  static std::string mounted_at(std::size_t directory) { return concat(kFiles, '/', directory); }

  // Where the command sees a file.
  std::string inside(const fs::path& file) const {
    for (std::size_t i = 0; i < settings.directories.size(); ++i) {
      const fs::path relative = file.lexically_relative(settings.directories[i]);
      if (!relative.empty() && *relative.begin() != "..")
        return concat(mounted_at(i), '/', relative.string());
    }
    throw Error(ErrorCode::internal, concat("the compiler does not see ", file.string()));
  }

  fs::path cache_path(const std::string& key) const {
    return bench.store.packages() / "pyc" / concat(key, '-', place);
  }

  void add(CompileRequest request) {
    const fs::path path = cache_path(request.key);
    if (bench.store.claim(path)) return;
    Json names = Json::array();
    for (const fs::path& file : request.files) names.push_back(inside(file));
    Json requests = Json::array();
    for (const CompileSource& source : request.sources)
      requests.push_back({source.file, source.offset, source.packed_size,
                          static_cast<unsigned>(source.method), source.size, source.source_path,
                          source.first_line});

    const std::lock_guard lock(mutex);
    const std::size_t list = files.size();
    files.push_back(std::make_unique<CacheFile>(path, request.sources.size()));
    files_by_path[path] = files.back().get();
    if (request.sources.empty()) return files.back()->finish();
    const Json content = {{"files", std::move(names)}, {"first", jobs.size()}, {"jobs", std::move(requests)}};
    write_file(lists.path() / concat(list, ".json"), content.dump());
    owners.push_back(std::move(request.owner));
    for (std::size_t i = 0; i < request.sources.size(); ++i) {
      jobs.push_back({std::move(request.sources[i].name), files.back().get()});
      answered.push_back(false);
      pipe.add(list, i);
    }
    pipe.flush();
    if (!runner.joinable()) start();
  }

  void close() {
    const std::lock_guard lock(mutex);
    pipe.close();
    if (!jobs.empty()) bench.log(step, concat("Compiling ", jobs.size(), " Python modules"));
  }

  void wait_for(const fs::path& path) {
    std::unique_lock lock(mutex);
    const auto file = files_by_path.find(path);
    if (file == files_by_path.end()) return;  // it was in the store
    progress.wait(lock, [&] { return failure || ended || file->second->complete(); });
    if (failure) std::rethrow_exception(failure);
    if (!file->second->complete()) throw incomplete();
  }

  void finish() {
    if (runner.joinable()) runner.join();
    if (failure) std::rethrow_exception(failure);
    if (!std::ranges::all_of(files, [](const auto& file) { return file->complete(); })) throw incomplete();
  }

  static Error incomplete() {
    return Error(ErrorCode::step_failed, "the byte code compiler left modules out");
  }
};

BytecodeCompiler::BytecodeCompiler(const Workbench& bench, std::string step, CompilerSettings settings) {
  make_directories(bench.store.packages() / "pyc");
  state_ = std::make_unique<State>(bench, std::move(step), std::move(settings));
}

BytecodeCompiler::~BytecodeCompiler() {
  state_->stop.request_stop();
  if (state_->runner.joinable()) state_->runner.join();
}

void BytecodeCompiler::add(CompileRequest request) {
  state_->add(std::move(request));
}

void BytecodeCompiler::close() {
  state_->close();
}

Bytecode BytecodeCompiler::get(const std::string& key) {
  const fs::path path = state_->cache_path(key);
  state_->wait_for(path);
  return Bytecode(path);
}

void BytecodeCompiler::finish() {
  state_->finish();
}

Bytecode::Bytecode(const fs::path& path) {
  auto fail = [&path] {
    throw Error(ErrorCode::corrupt, concat(path.string(), " is damaged"))
        .with_hint("Remove the file; it is made again by the next build.");
  };
  const auto map = std::make_shared<const MappedFile>(path);
  Bytes rest = map->bytes();
  if (!as_text(rest).starts_with(kMagic)) fail();
  rest = rest.subspan(kMagic.size());
  while (!rest.empty()) {
    if (rest.size() < kHeaderSize) fail();
    const std::size_t name_size = u32(rest.data());
    const std::size_t pyc_size = u32(rest.data() + 4);
    rest = rest.subspan(kHeaderSize);
    if (rest.size() < name_size || rest.size() - name_size < pyc_size) fail();
    if (pyc_size > 0) files_.emplace(as_text(rest.first(name_size)), rest.subspan(name_size, pyc_size));
    rest = rest.subspan(name_size + pyc_size);
  }
  map_ = map;
}

std::optional<Bytes> Bytecode::find(std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) return std::nullopt;
  return found->second;
}

}  // namespace dash::builder
