// A sandbox for tests: records commands, answers from a script, runs nothing.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "builder/sandbox.hpp"

#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace dash::testing {

class FakeSandbox : public builder::Sandbox {
 public:
  // What a run does instead of running: it may call the command's callbacks and, when changes are kept, fill
  // `changes`.
  using Action =
      std::function<builder::SandboxResult(const builder::SandboxCommand& command, const fs::path& changes)>;

  // `work` is where kept changes go.
  explicit FakeSandbox(fs::path work) : work_(std::move(work)) {}

  // Queues an answer; a run without one fails the test with an Error.
  void expect(Action action) {
    const std::scoped_lock guard(mutex_);
    actions_.push_back(std::move(action));
  }
  void expect_exit(int exit_code, std::string output = {}) {
    expect([=](const builder::SandboxCommand& command, const fs::path&) {
      if (command.on_output)
        for (const auto line : split_lines(output)) command.on_output(line);
      builder::SandboxResult result;
      result.exit_code = exit_code;
      result.tail = output;
      return result;
    });
  }

  builder::SandboxResult run(const builder::SandboxCommand& command, std::stop_token stop) override {
    if (stop.stop_requested()) throw Error(ErrorCode::canceled, "stopped");
    Action action;
    {
      const std::scoped_lock guard(mutex_);
      commands_.push_back(command);
      if (actions_.empty())
        throw Error(ErrorCode::internal, concat("the test expected no command: ", shell_join(command.argv)));
      action = std::move(actions_.front());
      actions_.pop_front();
    }
    TempDirectory kept(work_);
    const auto changes = kept.path() / "upper";
    make_directories(changes);
    auto result = action(command, changes);
    if (command.changes == builder::Changes::keep) {
      result.change_owner.emplace(std::move(kept));
      result.changes = changes;
    }
    return result;
  }

  std::vector<builder::SandboxCommand> commands() const {
    const std::scoped_lock guard(mutex_);
    return commands_;
  }

 private:
  fs::path work_;
  mutable std::mutex mutex_;
  std::deque<Action> actions_;
  std::vector<builder::SandboxCommand> commands_;
};

}  // namespace dash::testing
