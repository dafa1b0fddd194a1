// The subcommands: each takes its options and returns an exit code, or throws.
#pragma once

#include "cli/options.hpp"

#include <stop_token>

namespace dash::cli {

// The exit code of a command that went through to its end, but failed for some of its images
// (docs/exit-codes.md).
inline constexpr int kSomeFailed = 11;

int run_command(const BuildOptions& options, std::stop_token stop);
int run_command(const PlanOptions& options, std::stop_token stop);
int run_command(const LockOptions& options, std::stop_token stop);
int run_command(const LayerOptions& options, std::stop_token stop);
int run_command(const InspectOptions& options, std::stop_token stop);
int run_command(const ImagesOptions& options, std::stop_token stop);
int run_command(const RemoveOptions& options, std::stop_token stop);
int run_command(const CollectOptions& options, std::stop_token stop);
int run_command(const UsageOptions& options, std::stop_token stop);
int run_command(const ValidateOptions& options, std::stop_token stop);
int run_command(const DoctorOptions& options, std::stop_token stop);
int run_command(const ConfigOptions& options, std::stop_token stop);
int run_command(const CompletionOptions& options, std::stop_token stop);
int run_command(const PushOptions& options, std::stop_token stop);
int run_command(const PullOptions& options, std::stop_token stop);
int run_command(const CopyOptions& options, std::stop_token stop);
int run_command(const TagsOptions& options, std::stop_token stop);
int run_command(const ManifestOptions& options, std::stop_token stop);
int run_command(const DeleteOptions& options, std::stop_token stop);
int run_command(const MirrorSyncOptions& options, std::stop_token stop);
int run_command(const MirrorPackagesOptions& options, std::stop_token stop);
int run_command(const MirrorExportOptions& options, std::stop_token stop);
int run_command(const MirrorImportOptions& options, std::stop_token stop);
int run_command(const MirrorInventoryOptions& options, std::stop_token stop);
int run_command(const MirrorVerifyOptions& options, std::stop_token stop);
int run_command(const LoginOptions& options, std::stop_token stop);
int run_command(const LogoutOptions& options, std::stop_token stop);
int run_command(const VersionOptions& options, std::stop_token stop);
int run_command(const ParseEnd& options, std::stop_token stop);

}  // namespace dash::cli
