#include "builder/step_inputs.hpp"

#include "base/text.hpp"
#include "builder/line_changes.hpp"

#include <algorithm>

namespace dash::builder {

namespace {

// Changes whenever the meaning of leaves or records changes, so that old records are never misread.
constexpr std::string_view kFormat = "dash-build step key v1";
constexpr std::size_t kNamedChanges = 3;

// Digests say nothing to a person; short plain values do.
bool worth_showing(const Leaf& leaf) {
  return !leaf.value.empty() && leaf.value.size() <= 40 && !leaf.value.starts_with("sha256:");
}

std::vector<std::string> lines_of(const ShownLines& lines, const std::string& name) {
  const auto found = lines.find(name);
  return found == lines.end() ? std::vector<std::string>() : found->second;
}

std::string change_of(const ComparedLeaf& compared, const ShownLines& lines_before,
                      const ShownLines& lines_now) {
  const auto& [leaf, old] = compared;
  if (worth_showing(leaf) && worth_showing({leaf.name, *old}))
    return concat(leaf.name, " changed (", *old, " → ", leaf.value, ")");
  if (!lines_before.contains(leaf.name) || !lines_now.contains(leaf.name))
    return concat(leaf.name, " changed");
  const auto describe = leaf.name == kSourceLeaf ? describe_files : describe_lines;
  const auto changes = describe(lines_of(lines_before, leaf.name), lines_of(lines_now, leaf.name));
  if (leaf.name == kSourceLeaf && changes.empty()) return concat(leaf.name, " changed");
  return concat(leaf.name, " changed",
                changes.empty() ? " where hashes or passwords stand" : concat(": ", changes));
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

std::vector<ComparedLeaf> compare_leaves(const std::vector<Leaf>& before, const std::vector<Leaf>& now) {
  std::vector<ComparedLeaf> out;
  std::map<std::string_view, std::size_t> used;  // where the search for a name goes on
  for (const auto& leaf : now) {
    auto& at = used[leaf.name];
    while (at < before.size() && before[at].name != leaf.name) ++at;
    out.push_back({leaf, at < before.size() ? std::optional(before[at++].value) : std::nullopt});
  }
  return out;
}

std::string describe_change(const std::vector<Leaf>& before, const std::vector<Leaf>& now,
                            const ShownLines& lines_before, const ShownLines& lines_now) {
  std::vector<std::string> changes;
  for (const auto& compared : compare_leaves(before, now))
    if (!compared.before)
      changes.push_back(concat(compared.leaf.name, " is new"));
    else if (*compared.before != compared.leaf.value)
      changes.push_back(change_of(compared, lines_before, lines_now));
  for (const auto& compared : compare_leaves(now, before))
    if (!compared.before) changes.push_back(concat(compared.leaf.name, " is gone"));
  // The order is part of the key.
  if (changes.empty() && before != now) changes.emplace_back("the order of its inputs changed");
  if (changes.size() > kNamedChanges) {
    const auto more = changes.size() - kNamedChanges;
    changes.resize(kNamedChanges);
    changes.push_back(concat(more, " more"));
  }
  return join(changes, ", ");
}

}  // namespace dash::builder
