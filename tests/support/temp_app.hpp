// A throw-away app directory for tests, and the text of an error that some code must throw.
#pragma once

#include "base/error.hpp"
#include "base/file.hpp"
#include "builder/app/app_directory.hpp"

#include <string>
#include <string_view>

#include <catch2/catch.hpp>

namespace dash::test {

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

// "CODE: MESSAGE | HINT" of the Error that `body` throws; "no error" when it throws none.
template <class Body>
std::string error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(to_string(error.code())) + ": " + error.message() + " | " + error.hint();
  }
  return "no error";
}

}  // namespace dash::test
