// What must hold for every file that is taken as a wheel.
#pragma once

#include "base/error.hpp"
#include "base/text.hpp"
#include "builder/python/install.hpp"

#include <cstdlib>
#include <string>
#include <string_view>

#include <fcntl.h>

namespace dash::fuzz {

inline bool is_below_prefix(std::string_view path) {
  if (!path.starts_with("app/.heroku/python/")) return false;
  for (const std::string_view part : split(path, '/'))
    if (part.empty() || part == "." || part == "..") return false;
  return true;
}

inline void check_plan(const std::shared_ptr<const builder::Wheel>& wheel) {
  builder::InstallOptions options;
  options.scheme.interpreter.version = "3.11.2";
  options.scheme.interpreter.cache_tag = "cpython-311";
  const auto plan = builder::plan_installation(wheel, {}, options);
  for (const builder::InstalledFile& file : plan.files) {
    if (!is_below_prefix(file.path) || (file.mode != 0644 && file.mode != 0755)) std::abort();
    if (const auto* packed = std::get_if<const builder::ZipEntry*>(&file.content);
        packed != nullptr && wheel->read(**packed).size() != (*packed)->size)
      std::abort();
  }
  for (const builder::CompileJob& job : plan.sources)
    if (!is_below_prefix(job.pyc_path)) std::abort();
  builder::format_record(plan.record);
}

inline void check_wheel(std::string_view bytes) {
  const TempDirectory directory("/dev/shm");  // in memory
  const fs::path path = directory.path() / "demo-1.0-py3-none-any.whl";
  // Without the fsync of write_file_atomic: thousands of these are made.
  const auto fd = open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  FdSink(fd.get(), path.string()).write(as_bytes(bytes));
  try {
    check_plan(std::make_shared<const builder::Wheel>(path));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::unsupported &&
        error.code() != ErrorCode::invalid_input)
      std::abort();
    if (error.message().empty() || !is_utf8(error.message())) std::abort();  // it goes into JSON
  }
}

}  // namespace dash::fuzz
