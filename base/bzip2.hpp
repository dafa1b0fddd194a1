// Decoding bzip2 with several threads.
#pragma once

#include "base/stream.hpp"

#include <memory>
#include <string>

namespace dash {

class ThreadPool;

// The content of a bzip2 file, of all its streams. The format's blocks (up to 900 kB each) stand alone, and
// where they begin can be seen without decoding: so the reader decodes the next one, and workers of the pool
// that have nothing else to do those after it. It may therefore be read inside a task of that pool; `pool`
// may be nullptr. What follows the last stream and is none is ignored, as by bzip2 itself. Damage is an
// Error(corrupt), at the latest at the end. `file` and the pool must outlive the source; `name` is for
// messages. Memory: a few blocks.
std::unique_ptr<Source> make_bzip2_source(Bytes file, std::string name, ThreadPool* pool);

}  // namespace dash
