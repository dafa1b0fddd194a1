// The program that compiles modules in the sandbox.
#pragma once

namespace dash::builder {

// Standard input is a pipe of pairs of u32, number of a list and of a job in it; a process per core takes
// them, until its end. The file <number>.json is {"files": [path, …], "first": index of its first job,
// "jobs":
// [[file, offset, compressed size, method, size, path, first line], …]}, where a first line that is not empty
// replaces the one of the source. Each job is answered with its index, a length (both u32) and that many
// bytes; a source that does not compile has length 0. Who writes holds a token from another pipe. Runs on
// Python 2.7 and everything since.
inline constexpr const char* kCompiler = R"(import sys
sys.path.pop(0)
import encodings.latin_1, gc, io, json, marshal, os, struct, warnings, zlib
warnings.filterwarnings("ignore")
gc.disable()
lists, workers, source_time = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
old = sys.version_info < (3,)
if old:
    import imp
    magic, source_hash = imp.get_magic(), None
else:
    import importlib.util
    magic, source_hash = importlib.util.MAGIC_NUMBER, getattr(importlib.util, "source_hash", None)
known = {}

def job_list(number):
    if number not in known:
        with io.open("%s/%d.json" % (lists, number), encoding="utf-8") as file:
            content = json.load(file)
        files = [os.open(path, os.O_RDONLY) for path in content["files"]]
        known[number] = content["jobs"], content["first"], files
    return known[number]

def source(files, file, offset, packed, method, size):
    parts = []
    os.lseek(files[file], offset, os.SEEK_SET)
    while packed > 0:
        part = os.read(files[file], packed)
        if not part:
            raise EOFError("a file is too short")
        parts.append(part)
        packed -= len(part)
    data = b"".join(parts)
    return zlib.decompress(data, -15, max(size, 1)) if method else data

def header(data):
    if source_hash:
        return magic + b"\3\0\0\0" + source_hash(data)
    stamp = magic + struct.pack("<I", source_time)
    return stamp if old else stamp + struct.pack("<I", len(data))

def pyc(files, job):
    data = source(files, *job[:5])
    if job[6]:
        data = job[6].encode() + data.partition(b"\n")[2]
    try:
        if old:
            code = compile(data, job[5].encode("utf-8"), "exec", 0, True)
        else:
            code = compile(data, job[5], "exec", dont_inherit=True, optimize=0)
    except Exception:
        return b""
    return header(data) + marshal.dumps(code)

def worker():
    while True:
        record = os.read(0, 8)
        if not record:
            return
        number, place = struct.unpack("<II", record)
        jobs, first, files = job_list(number)
        data = pyc(files, jobs[place])
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

}  // namespace dash::builder
