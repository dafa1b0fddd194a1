#include "builder/step_inputs.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

// Changes whenever the meaning of leaves or records changes, so that old records are never misread.
constexpr std::string_view kFormat = "dash-build step key v1";
constexpr std::size_t kNamedChanges = 3;

const Leaf* find(const std::vector<Leaf>& leaves, std::string_view name) {
  const auto found =
      std::find_if(leaves.begin(), leaves.end(), [&](const Leaf& leaf) { return leaf.name == name; });
  return found == leaves.end() ? nullptr : &*found;
}

// Digests say nothing to a person; short plain values do.
bool worth_showing(const Leaf& leaf) {
  return !leaf.value.empty() && leaf.value.size() <= 40 && !leaf.value.starts_with("sha256:");
}

}  // namespace

void StepInputs::add_content(std::string name, std::string_view content) {
  add(std::move(name), "sha256:" + to_hex(sha256(content)));
}

StepKey StepInputs::key(std::string_view step) const {
  Sha256Hasher hasher;
  auto put = [&](std::string_view text) {
    hasher.update(as_bytes(concat(text.size(), ':')));
    hasher.update(as_bytes(text));
  };
  put(kFormat);
  put(step);
  for (const auto& leaf : leaves_) {
    put(leaf.name);
    put(leaf.value);
  }
  return StepKey(hasher.value());
}

std::string describe_change(const std::vector<Leaf>& before, const std::vector<Leaf>& now) {
  std::vector<std::string> changes;
  for (const auto& leaf : now) {
    const auto* old = find(before, leaf.name);
    if (old == nullptr)
      changes.push_back(concat(leaf.name, " is new"));
    else if (old->value != leaf.value && worth_showing(*old) && worth_showing(leaf))
      changes.push_back(concat(leaf.name, " changed (", old->value, " → ", leaf.value, ")"));
    else if (old->value != leaf.value)
      changes.push_back(concat(leaf.name, " changed"));
  }
  for (const auto& leaf : before)
    if (find(now, leaf.name) == nullptr) changes.push_back(concat(leaf.name, " is gone"));
  if (changes.size() > kNamedChanges) {
    const auto more = changes.size() - kNamedChanges;
    changes.resize(kNamedChanges);
    changes.push_back(concat(more, " more"));
  }
  return join(changes, ", ");
}

}  // namespace dash::builder
