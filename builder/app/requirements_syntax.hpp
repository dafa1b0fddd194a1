// The grammar of a requirements file, one file at a time
// (https://pip.pypa.io/en/stable/reference/requirements-file-format/).
//
// For early errors, for finding what a file refers to, and for handing its requirements to uv, which resolves
// them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// One requirement or one option. Texts are as written: variables are not replaced, URLs may hold passwords.
struct RequirementsEntry {
  enum class Kind {
    package,     // by name, from an index; `value` is the name, normalised
    url,         // from an http(s) URL
    vcs,         // from version control: "git+https://…"
    path,        // a file or directory; `value` is the path, without extras, marker and fragment
    include,     // -r
    constraint,  // -c
    index_url,   // -i
    extra_index_url,
    no_index,
    find_links,  // a URL or a path
    trusted_host,
    hash,    // --hash of the requirement before it: "sha256:…" or another algorithm
    binary,  // "--no-binary NAMES" or "--only-binary NAMES"
    pre,
    require_hashes,
    unused  // an option without an effect here; `value` is its name
  } kind = Kind::package;
  enum class Mode { regular, editable } mode = Mode::regular;
  std::string value;
  std::string name;      // normalised, of what is asked for; empty where only the target itself can tell
  std::size_t line = 0;  // where the entry starts, from 1
  // The whole requirement without options: name, extras, versions or target, marker.
  std::string text;
  // Whether a package is pinned as hash-checking wants it: one "==" or "===".
  enum class Pin { none, exact } pin = Pin::none;
  bool operator==(const RequirementsEntry&) const = default;
};

struct RequirementsText {
  std::vector<RequirementsEntry> entries;  // in file order
  std::vector<std::string> lines;          // that count: joined at "\\", without comments and outer blanks
  std::vector<std::string> variables;      // names in "${NAME}", each once, sorted
};

// `text` is decoded (text_file.hpp); `file` is for messages. A line that no installer would accept is an
// Error(invalid_input) with its number, its text without passwords, and a hint.
RequirementsText parse_requirements(std::string_view text, std::string_view file);

}  // namespace dash::builder
