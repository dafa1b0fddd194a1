// Copies of sources for builds to work in, which write where they are: unpacked from archives, or copied.
#pragma once

#include "base/path.hpp"
#include "builder/app/source_tree.hpp"

#include <stop_token>

namespace dash::builder {

// Unpacks a source distribution (.tar.gz, .tar.bz2, .tar.xz, .tgz, .zip) into `directory`, which must not
// exist, without its top directory. Only files, directories and links are made, nothing outside of
// `directory`, at most 8 GiB and a million entries; other content is Error(corrupt) naming the archive.
void unpack_source(const fs::path& archive, const fs::path& directory, std::stop_token stop);

// Copies the entries of a tree, which were found in `source`, to `target`, which is made. Files are 0644 or
// 0755: what the tree's digest does not count decides nothing.
void copy_tree(const fs::path& source, const SourceTree& tree, const fs::path& target, std::stop_token stop);

}  // namespace dash::builder
