// Finding out which Python interpreter an image has.
#pragma once

#include "builder/interpreter.hpp"
#include "builder/workbench.hpp"

#include <optional>
#include <string>
#include <vector>

namespace dash::builder {

// What is run to find out: looked up in PATH, or the interpreter of a runtime archive.
inline constexpr const char* kImageProgram = "python3";
inline constexpr const char* kRuntimeProgram = "/app/.heroku/python/bin/python3";

// Facts about `program` in the root file system that `layers` make. Runs a
// small isolated script in the sandbox the first time; the answer is kept in store.records() under the
// layers' diff ids. Error(invalid_input) with a hint when there is no python3, or one older than 3.6.
Interpreter probe_interpreter(const Workbench& bench, const std::vector<oci::Layer>& layers,
                              const std::string& step, const std::string& program = kImageProgram);

// A fact of step records: what the probe of these layers said, for other stores. Text that
// `remember_interpreter` takes; empty when they have not been probed.
inline constexpr const char* kInterpreterFact = "interpreter";
std::string interpreter_fact(const Store& store, const std::vector<oci::Layer>& layers,
                             const std::string& program = kImageProgram);
// Text that cannot be read is forgotten.
void remember_interpreter(const Store& store, const std::string& fact);

// What `probe_interpreter` says, from the record alone: nothing when these layers have not been probed yet.
std::optional<Interpreter> known_interpreter(const Store& store, const std::vector<oci::Layer>& layers,
                                             const std::string& program = kImageProgram);

}  // namespace dash::builder
