// Python interpreters that images get from an archive, because their base image has another one.
#pragma once

#include "base/path.hpp"
#include "base/sha256.hpp"
#include "builder/app/runtime_txt.hpp"
#include "builder/workbench.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// An archive in the "install_only" layout of python-build-standalone: a relocatable interpreter below one top
// directory, with bin/python3.X and lib/python3.X.
struct RuntimeArchive {
  std::string version;   // "3.12.7"
  std::string location;  // an http, https or file URL, or a path on this machine; may hold "{machine}"
  Sha256 sha256{};
  bool operator==(const RuntimeArchive&) const = default;
};

// "3.12.7=https://files.example/cpython-{version}-{machine}.tar.gz#sha256=HEX". {version}, {minor} ("3.12")
// and {machine} ("x86_64", only known when building) are replaced. Error(usage) that says what is wrong.
RuntimeArchive parse_runtime_archive(std::string_view text);

// The archive that answers the request best: that very version, else the newest of the minor version. Nothing
// when there is none of that minor version.
const RuntimeArchive* choose_runtime(const std::vector<RuntimeArchive>& archives,
                                     const PythonVersionRequest& request);

// "3.10.14, 3.12.7", for messages.
std::string versions_of(const std::vector<RuntimeArchive>& archives);

// The archive as layers at kPythonPrefix, all of it the app user's: the interpreter without what is installed
// in its site-packages (the app's requirements say what that is), and, compiled by itself over `layers`, the
// bytecode of its standard library. Error(corrupt) when the archive does not have its digest,
// Error(invalid_input) when it is no such archive or another version; Error(unavailable) when it can't be
// had.
std::vector<oci::Layer> install_runtime(const Workbench& bench, const std::vector<oci::Layer>& layers,
                                        const RuntimeArchive& archive, const std::string& step);

}  // namespace dash::builder
