// What a step's result depends on, as named leaves, and the key made of them (docs/formats/records.md).
#pragma once

#include "base/sha256.hpp"

#include <compare>
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

// The inputs of one step, in the order in which they were added (which is part of the key).
class StepInputs {
 public:
  // A short text that may be shown: a version, a setting, another step's key.
  void add(std::string name, std::string value) { leaves_.push_back({std::move(name), std::move(value)}); }
  // Content, or a secret: only its digest is kept.
  void add_content(std::string name, std::string_view content);

  const std::vector<Leaf>& leaves() const { return leaves_; }
  // Digest over the step's name, the format version and every leaf, each with its length in front.
  StepKey key(std::string_view step) const;

 private:
  std::vector<Leaf> leaves_;
};

// The first differences between two lists of leaves, as a person would say it: "requirements.txt changed",
// "apt-env is new", "dpkg-packages/x.deb is gone". Empty when they are equal.
std::string describe_change(const std::vector<Leaf>& before, const std::vector<Leaf>& now);

}  // namespace dash::builder
