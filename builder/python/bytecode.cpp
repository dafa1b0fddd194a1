#include "builder/python/bytecode.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

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
#include <sys/mman.h>
#include <sys/stat.h>

namespace dash::builder {
namespace {

using Json = nlohmann::json;

// The file format: this line, then for each source u32 length of its name, u32 length of the .pyc (0: it does
// not compile), the name, the .pyc; numbers are little-endian.
constexpr std::string_view kMagic = "dash-build bytecode 1\n";
constexpr std::size_t kHeaderSize = 8;
constexpr std::uint32_t kMaxPyc = std::uint32_t{256} << 20;

constexpr const char* kPackages = "/run/dash-build/packages";
constexpr const char* kLists = "/run/dash-build/lists";

// Standard input is a pipe of pairs of u32, number of a list and of a job in it; a process per core takes
// them, until its end. The file <number>.json is {"wheel": path, "first": index of its first job, "jobs":
// [[offset, compressed size, method, size, path, first line], …]}, where a first line that is not empty
// replaces the one of the source. Each job is answered with its index, a length (both u32) and that many
// bytes; a source that does not compile has length 0. Who writes holds a token from another pipe.
constexpr const char* kCompiler = R"(import sys
sys.path.pop(0)
import encodings.latin_1, gc, importlib.util, json, marshal, os, struct, warnings, zlib
warnings.filterwarnings("ignore")
gc.disable()
lists, workers = sys.argv[1], int(sys.argv[2])
header = importlib.util.MAGIC_NUMBER + b"\3\0\0\0"
known = {}

def job_list(number):
    if number not in known:
        with open("%s/%d.json" % (lists, number), encoding="utf-8") as file:
            content = json.load(file)
        known[number] = content["jobs"], content["first"], os.open(content["wheel"], os.O_RDONLY)
    return known[number]

def source(wheel, offset, packed, method, size):
    parts = []
    while packed > 0:
        part = os.pread(wheel, packed, offset)
        if not part:
            raise EOFError("a wheel is too short")
        parts.append(part)
        offset += len(part)
        packed -= len(part)
    data = b"".join(parts)
    return zlib.decompress(data, -15, max(size, 1)) if method else data

def pyc(wheel, job):
    data = source(wheel, *job[:4])
    if job[5]:
        data = job[5].encode() + data.partition(b"\n")[2]
    try:
        code = compile(data, job[4], "exec", dont_inherit=True, optimize=0)
    except Exception:
        return b""
    return header + importlib.util.source_hash(data) + marshal.dumps(code)

def worker():
    while True:
        record = os.read(0, 8)
        if not record:
            return
        number, place = struct.unpack("<II", record)
        jobs, first, wheel = job_list(number)
        data = pyc(wheel, jobs[place])
        data = memoryview(struct.pack("<II", first + place, len(data)) + data)
        token = os.read(token_out, 1)
        while data:
            data = data[os.write(1, data):]
        os.write(token_in, token)

token_out, token_in = os.pipe()
os.write(token_in, b"t")
children = []
for _ in range(workers):
    child = os.fork()
    if child == 0:
        try:
            worker()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    children.append(child)
sys.exit(1 if any([os.waitpid(child, 0)[1] for child in children]) else 0)
)";

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

fs::path cache_path(const Store& store, const InstallScheme& scheme, const Sha256& wheel) {
  const std::string place = to_hex(sha256(concat(scheme.site_packages(), '\n', kCompiler))).substr(0, 16);
  return store.packages() / "pyc" / concat(to_hex(wheel), '-', scheme.interpreter.magic, '-', place);
}

// The cache file of one wheel while its answers come in.
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
  const ZipEntry* entry;
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
  State(const Workbench& workbench, std::string step_name, std::vector<oci::Layer> root, InstallScheme target)
      : bench(workbench),
        step(std::move(step_name)),
        layers(std::move(root)),
        scheme(std::move(target)),
        lists(bench.store.work_directory()) {}

  const Workbench& bench;
  const std::string step;
  const std::vector<oci::Layer> layers;
  const InstallScheme scheme;
  const TempDirectory lists;

  std::mutex mutex;  // guards what follows, up to `stop`
  std::vector<Job> jobs;
  std::vector<bool> answered;
  std::vector<std::unique_ptr<CacheFile>> files;
  std::map<fs::path, const CacheFile*> files_by_path;
  std::vector<std::shared_ptr<const Wheel>> wheels;  // the jobs' entries are theirs
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
    command.layers = layers;
    // Not isolated mode: it would ignore the hash seed, which orders set constants in some versions.
    command.argv = {scheme.interpreter.executable,       "-s", "-S", "-c", kCompiler, kLists,
                    std::to_string(bench.pool.threads())};
    command.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONHASHSEED=0"};
    command.mounts = {{bench.store.packages(), kPackages, SandboxMount::Access::read_only},
                      {lists.path(), kLists, SandboxMount::Access::read_only}};
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
    file.add(jobs[index].entry->path, as_bytes(output.substr(kHeaderSize, size)));
    if (file.complete()) progress.notify_all();
    return kHeaderSize + size;
  }

  void add(const InstalledDistribution& distribution) {
    const fs::path path = cache_path(bench.store, scheme, distribution.wheel_sha256);
    if (bench.store.claim(path)) return;
    const ZipReader& zip = distribution.wheel->zip();
    Json requests = Json::array();
    for (const CompileJob& source : distribution.sources)
      requests.push_back({zip.data_offset(*source.source), source.source->compressed_size,
                          static_cast<unsigned>(source.source->method), source.source->size,
                          source.source_path, source.first_line});
    const fs::path inside = kPackages / zip.path().lexically_relative(bench.store.packages());

    const std::lock_guard lock(mutex);
    const std::size_t list = files.size();
    files.push_back(std::make_unique<CacheFile>(path, distribution.sources.size()));
    files_by_path[path] = files.back().get();
    if (distribution.sources.empty()) return files.back()->finish();
    const Json content = {{"wheel", inside.string()}, {"first", jobs.size()}, {"jobs", std::move(requests)}};
    write_file(lists.path() / concat(list, ".json"), content.dump());
    wheels.push_back(distribution.wheel);
    for (std::size_t i = 0; i < distribution.sources.size(); ++i) {
      jobs.push_back({distribution.sources[i].source, files.back().get()});
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

BytecodeCompiler::BytecodeCompiler(const Workbench& bench, std::string step, std::vector<oci::Layer> layers,
                                   InstallScheme scheme) {
  make_directories(bench.store.packages() / "pyc");
  state_ = std::make_unique<State>(bench, std::move(step), std::move(layers), std::move(scheme));
}

BytecodeCompiler::~BytecodeCompiler() {
  state_->stop.request_stop();
  if (state_->runner.joinable()) state_->runner.join();
}

void BytecodeCompiler::add(const InstalledDistribution& distribution) {
  state_->add(distribution);
}

void BytecodeCompiler::close() {
  state_->close();
}

Bytecode BytecodeCompiler::get(const InstalledDistribution& distribution) {
  const fs::path path = cache_path(state_->bench.store, state_->scheme, distribution.wheel_sha256);
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
  const UniqueFd fd = open_file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw system_error(concat("reading ", path.string()), errno);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size < kMagic.size()) fail();
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (map == MAP_FAILED) throw system_error(concat("mapping ", path.string()), errno);
  // Owned by an object before anything can throw.
  const std::shared_ptr<void> owner(map, [size](void* memory) { ::munmap(memory, size); });
  Bytes rest(static_cast<const std::byte*>(map), size);
  if (as_text(rest.first(kMagic.size())) != kMagic) fail();
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
  map_ = owner;
}

std::optional<Bytes> Bytecode::find(std::string_view entry) const {
  const auto found = files_.find(entry);
  if (found == files_.end()) return std::nullopt;
  return found->second;
}

}  // namespace dash::builder
