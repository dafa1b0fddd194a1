// What a step's result depends on, as named leaves, and the key made of them (docs/formats/records.md).
#pragma once

#include "base/sha256.hpp"

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dash::builder {

// Names a step's result: equal keys, equal result.
class StepKey {
 public:
  explicit StepKey(const Sha256& value) : value_(value) {}
  std::string hex() const { return to_hex(value_); }
  auto operator<=>(const StepKey&) const = default;

 private:
  Sha256 value_;
};

// One input. `value` is a digest or a short text that is safe to show; contents and secrets come as digests.
struct Leaf {
  std::string name;
  std::string value;
  bool operator==(const Leaf&) const = default;
};

// The leaf that stands for the app's source. Its lines are one for each file: path, tab, digest.
inline constexpr const char* kSourceLeaf = "source";

// Lines of the files that leaves stand for, by the leaf's name: without comments, blank lines and secrets.
// They tell what changed in a file and are no part of the key.
using ShownLines = std::map<std::string, std::vector<std::string>, std::less<>>;

// The inputs of one step, in the order in which they were added (which is part of the key).
class StepInputs {
 public:
  // A short text that may be shown: a version, a setting, another step's key.
  void add(std::string name, std::string value) { leaves_.push_back({std::move(name), std::move(value)}); }
  // Content, or a secret: only its digest is kept.
  void add_content(std::string name, std::string_view content);

  // What may be shown of the leaf's content.
  void show(const std::string& name, std::vector<std::string> lines) { lines_[name] = std::move(lines); }

  const std::vector<Leaf>& leaves() const { return leaves_; }
  const ShownLines& lines() const { return lines_; }
  // Digest over the step's name, the format version and every leaf, each with its length in front.
  StepKey key(std::string_view step) const;

 private:
  std::vector<Leaf> leaves_;
  ShownLines lines_;
};

// The first differences between two lists of leaves, as a person would say it: "apt-env is new",
// "dpkg-packages/x.deb is gone", "requirements.txt changed: pandas==2.2.2 → pandas==2.2.3". Empty when they
// are equal.
std::string describe_change(const std::vector<Leaf>& before, const std::vector<Leaf>& now,
                            const ShownLines& lines_before = {}, const ShownLines& lines_now = {});

// A leaf and what it was in an earlier list (nothing: it was not there, or there is no earlier list).
struct ComparedLeaf {
  Leaf leaf;
  std::optional<std::string> before;
  bool operator==(const ComparedLeaf&) const = default;
};

// Leaves of the same name are compared in their order.
std::vector<ComparedLeaf> compare_leaves(const std::vector<Leaf>& before, const std::vector<Leaf>& now);

}  // namespace dash::builder
