// The interpreter that runtime.txt asks for, where the base image has another one.
#include "base/text.hpp"
#include "builder/python/probe.hpp"
#include "builder/python/runtime_archive.hpp"
#include "builder/steps/step_list.hpp"
#include "builder/steps/steps.hpp"

namespace dash::builder {

namespace {

// Part of the step's key: changes when the same archive would give other layers.
constexpr const char* kRuntimeRecipe = "runtime 1";

class PythonRuntimeStep : public Step {
 public:
  PythonRuntimeStep(const Workbench& bench, const BuildRequest& request, const AppInputs& app)
      : bench_(bench), wanted_(app.runtime.value()), archive_(choose_runtime(request.runtimes, wanted_)) {}
  std::string name() const override { return kPythonRuntimeStep; }
  Decision kind() const override { return Decision::fetch; }

  void prepare(const ImageState& below) override {
    if (archive_ == nullptr || known_interpreter(bench_.store, below.layers())) return;
    try {
      probe_interpreter(bench_, below.layers(), kPythonRuntimeStep);
    } catch (const Error& error) {
      // A base image without Python needs the archive all the more.
      if (error.code() != ErrorCode::invalid_input) throw;
    }
  }

  std::optional<std::string> skip_reason(const ImageState& below) const override {
    // What else there is to say, the step that uses the interpreter says.
    if (archive_ == nullptr) return concat("no archive of Python ", wanted_.to_string(), " is configured");
    using Match = PythonVersionRequest::Match;
    const auto has = known_interpreter(bench_.store, below.layers());
    const auto match = has ? wanted_.match(has->version) : Match::no;
    if (match == Match::yes ||
        (match == Match::other_patch && wanted_.match(archive_->version) != Match::yes))
      return concat("the image has Python ", has->version);
    return std::nullopt;
  }

  StepInputs inputs(const ImageState&) const override {
    StepInputs out;
    out.add("archive", concat("sha256:", to_hex(archive_->sha256)));
    out.add("version", archive_->version);
    out.add("recipe", kRuntimeRecipe);
    add_layer_format(out, bench_);
    return out;
  }

  StepResult run(const ImageState& below) override {
    if (wanted_.match(archive_->version) == PythonVersionRequest::Match::other_patch)
      bench_.warn(kPythonRuntimeStep, concat("runtime.txt asks for Python ", wanted_.to_string(),
                                             "; the archive of ", archive_->version, " is used"));
    return {install_runtime(bench_, below.layers(), *archive_, kPythonRuntimeStep), {}};
  }

 private:
  const Workbench& bench_;
  PythonVersionRequest wanted_;
  const RuntimeArchive* archive_;  // the request's; none: nothing fits
};

}  // namespace

std::unique_ptr<Step> make_python_runtime_step(const Workbench& bench, const BuildRequest& request,
                                               const AppInputs& app) {
  return std::make_unique<PythonRuntimeStep>(bench, request, app);
}

}  // namespace dash::builder
