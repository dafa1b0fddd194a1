#include "builder/python/bytecode.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
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

// Reads {"wheels": […], "jobs": [[wheel, offset, compressed size, method, size, path, first line], …],
// "workers": n}, where a first line that is not empty replaces the one of the source, and answers each job
// with its index, a length (both u32) and that many bytes. A source that does not compile has length 0.
// Workers take job numbers from one pipe and hold a token from another while they write.
constexpr const char* kCompiler = R"(import sys
sys.path.pop(0)
import encodings.latin_1, gc, importlib.util, json, marshal, os, struct, warnings, zlib
warnings.filterwarnings("ignore")
gc.disable()
work = json.loads(sys.stdin.buffer.read())
header = importlib.util.MAGIC_NUMBER + b"\3\0\0\0"
opened = [None, -1]

def source(wheel, offset, packed, method, size):
    if opened[0] != wheel:
        if opened[0] is not None:
            os.close(opened[1])
        opened[:] = wheel, os.open(work["wheels"][wheel], os.O_RDONLY)
    parts = []
    while packed > 0:
        part = os.pread(opened[1], packed, offset)
        if not part:
            raise EOFError(work["wheels"][wheel])
        parts.append(part)
        offset += len(part)
        packed -= len(part)
    data = b"".join(parts)
    return zlib.decompress(data, -15, max(size, 1)) if method else data

def pyc(job):
    data = source(*job[:5])
    if job[6]:
        data = job[6].encode() + data.partition(b"\n")[2]
    try:
        code = compile(data, job[5], "exec", dont_inherit=True, optimize=0)
    except Exception:
        return b""
    return header + importlib.util.source_hash(data) + marshal.dumps(code)

def worker():
    while True:
        number = os.read(jobs_out, 4)
        if not number:
            return
        index = struct.unpack("<I", number)[0]
        data = pyc(work["jobs"][index])
        data = memoryview(struct.pack("<II", index, len(data)) + data)
        token = os.read(token_out, 1)
        while data:
            data = data[os.write(1, data):]
        os.write(token_in, token)

jobs_out, jobs_in = os.pipe()
token_out, token_in = os.pipe()
os.write(token_in, b"t")
children = []
for _ in range(work["workers"]):
    child = os.fork()
    if child == 0:
        try:
            os.close(jobs_in)
            worker()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    children.append(child)
os.close(jobs_out)
for start in range(0, len(work["jobs"]), 1024):
    numbers = range(start, min(start + 1024, len(work["jobs"])))
    os.write(jobs_in, struct.pack("<%dI" % len(numbers), *numbers))
os.close(jobs_in)
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
  std::size_t file;  // index of its CacheFile
};

// Takes the compiler's output apart, however it is cut.
class AnswerReader {
 public:
  AnswerReader(const std::vector<Job>& jobs, std::vector<std::unique_ptr<CacheFile>>& files)
      : jobs_(jobs), files_(files), answered_(jobs.size()) {}

  void feed(std::string_view bytes) {
    pending_ += bytes;
    std::size_t at = 0;
    while (pending_.size() - at >= kHeaderSize) {
      const auto* header = reinterpret_cast<const std::byte*>(pending_.data() + at);
      const std::size_t index = u32(header);
      const std::size_t size = u32(header + 4);
      if (index >= jobs_.size() || answered_[index] || size > kMaxPyc)
        throw Error(ErrorCode::step_failed, "the byte code compiler gave an answer that makes no sense");
      if (pending_.size() - at - kHeaderSize < size) break;
      answered_[index] = true;
      files_[jobs_[index].file]->add(jobs_[index].entry->path,
                                     as_bytes(std::string_view(pending_).substr(at + kHeaderSize, size)));
      at += kHeaderSize + size;
    }
    pending_.erase(0, at);
  }

 private:
  const std::vector<Job>& jobs_;
  std::vector<std::unique_ptr<CacheFile>>& files_;
  std::vector<bool> answered_;
  std::string pending_;
};

void run_compiler(const Workbench& bench, const std::vector<oci::Layer>& layers,
                  const Interpreter& interpreter, const std::string& work,
                  const std::function<void(std::string_view)>& on_output) {
  std::exception_ptr failure;  // kept out of the sandbox's loop, so that the command is always waited for
  SandboxCommand command;
  command.layers = layers;
  // Not isolated mode: it would ignore the hash seed, which orders set constants in some versions.
  command.argv = {interpreter.executable, "-s", "-S", "-c", kCompiler};
  command.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONHASHSEED=0"};
  command.mounts = {{bench.store.packages(), kPackages, SandboxMount::Access::read_only}};
  command.input = work;
  command.on_stdout_bytes = [&](std::string_view bytes) {
    try {
      if (!failure) on_output(bytes);
    } catch (...) {
      failure = std::current_exception();
    }
  };
  const SandboxResult result = bench.sandbox.run(command, bench.stop);
  if (failure) std::rethrow_exception(failure);
  if (result.exit_code != 0)
    throw Error(ErrorCode::step_failed,
                concat("compiling Python modules failed (exit code ", result.exit_code, ")"))
        .with_output(result.tail)
        .with_hint(
            "This is not about the modules' content: the interpreter of the base image may be broken.");
}

}  // namespace

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

std::vector<Bytecode> compile_bytecode(const Workbench& bench, const std::string& step,
                                       const std::vector<oci::Layer>& layers, const InstallScheme& scheme,
                                       const std::vector<InstalledDistribution>& distributions) {
  make_directories(bench.store.packages() / "pyc");
  std::vector<fs::path> paths;
  std::vector<Job> jobs;
  std::vector<std::unique_ptr<CacheFile>> files;
  Json wheels = Json::array();
  Json requests = Json::array();
  for (const InstalledDistribution& distribution : distributions) {
    paths.push_back(cache_path(bench.store, scheme, distribution.wheel_sha256));
    if (fs::exists(paths.back())) continue;
    files.push_back(std::make_unique<CacheFile>(paths.back(), distribution.sources.size()));
    if (files.back()->complete()) files.back()->finish();
    const ZipReader& zip = distribution.wheel->zip();
    const fs::path inside = kPackages / zip.path().lexically_relative(bench.store.packages());
    for (const CompileJob& source : distribution.sources) {
      requests.push_back({wheels.size(), zip.data_offset(*source.source), source.source->compressed_size,
                          static_cast<unsigned>(source.source->method), source.source->size,
                          source.source_path, source.first_line});
      jobs.push_back({source.source, files.size() - 1});
    }
    wheels.push_back(inside.string());
  }
  if (!jobs.empty()) {
    bench.log(step, concat("Compiling ", jobs.size(), " Python modules"));
    const Json work = {{"wheels", wheels}, {"jobs", requests}, {"workers", bench.pool.threads()}};
    AnswerReader reader(jobs, files);
    run_compiler(bench, layers, scheme.interpreter, work.dump(),
                 [&](std::string_view bytes) { reader.feed(bytes); });
    if (!std::ranges::all_of(files, [](const auto& file) { return file->complete(); }))
      throw Error(ErrorCode::step_failed, "the byte code compiler left modules out");
  }
  std::vector<Bytecode> out;
  for (const fs::path& path : paths) out.emplace_back(path);
  return out;
}

}  // namespace dash::builder
