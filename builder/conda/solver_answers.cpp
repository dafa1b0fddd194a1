#include "builder/conda/solver_answers.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/conda/lock_text.hpp"

#include <nlohmann/json.hpp>

namespace dash::builder {

using Json = nlohmann::json;

SolverAnswers::SolverAnswers(const Store& store, const StepKey& question)
    : store_(store), file_(store.caches() / "conda-answers" / concat(question.hex(), ".json")) {}

std::optional<CondaChange> SolverAnswers::find() const {
  if (!store_.claim(file_.parent_path())) return std::nullopt;
  const auto text = read_file_if_exists(file_);
  if (!text) return std::nullopt;
  try {
    const Json json = Json::parse(*text);
    return CondaChange{lock_from_json(json.at("linked").get<std::string>()).packages,
                       json.at("unlinked").get<std::vector<std::string>>()};
  } catch (const Json::exception&) {
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw;
  }
  return std::nullopt;
}

void SolverAnswers::keep(const CondaChange& answer) const {
  make_directories(file_.parent_path());
  const Json json = {{"linked", lock_to_json(ExplicitLock{answer.linked})}, {"unlinked", answer.unlinked}};
  write_file_atomic(file_, json.dump() + '\n');
}

}  // namespace dash::builder
