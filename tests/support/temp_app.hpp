// A throw-away app directory for tests.
#pragma once

#include "base/file.hpp"
#include "builder/app/app_directory.hpp"

#include <string>
#include <string_view>

namespace dash::testing {

class TempApp {
 public:
  TempApp() : directory_(fs::temp_directory_path()) { make_directories(path()); }

  fs::path path() const { return directory_.path() / "app"; }
  builder::AppDirectory open() const { return builder::AppDirectory(path()); }

  TempApp& file(const std::string& name, std::string_view content, mode_t mode = 0644) {
    make_directories((path() / name).parent_path());
    write_file_atomic(path() / name, content, mode);
    return *this;
  }
  TempApp& directory(const std::string& name) {
    make_directories(path() / name);
    return *this;
  }
  TempApp& link(const std::string& name, const std::string& target) {
    make_directories((path() / name).parent_path());
    fs::create_symlink(target, path() / name);
    return *this;
  }

  // The text with the app's own path as "APP", so that it can be compared.
  std::string neutral(std::string text) const {
    const auto real = path().string();
    for (auto at = text.find(real); at != std::string::npos; at = text.find(real, at))
      text.replace(at, real.size(), "APP");
    return text;
  }

 private:
  TempDirectory directory_;
};

}  // namespace dash::testing
