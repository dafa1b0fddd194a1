// The Python interpreter that an image's packages are installed for.
#pragma once

#include <string>
#include <vector>

namespace dash::builder {

// Facts about an interpreter, found by running it once per base image.
struct Interpreter {
  std::string executable;      // absolute path in the image, symbolic links resolved: "/usr/bin/python3.11"
  std::string version;         // "3.11.2"
  std::string implementation;  // "cpython"
  std::string cache_tag;       // "cpython-311"
  std::string soabi;           // "cpython-311-x86_64-linux-gnu"
  std::string machine;         // "x86_64"
  int glibc_major = 0;         // 0 when it is not glibc
  int glibc_minor = 0;
  std::string magic;  // hex of importlib.util.MAGIC_NUMBER

  // "3.11"
  std::string minor_version() const;
  // All of it as one line, for step keys.
  std::string identity() const;
  bool operator==(const Interpreter&) const = default;
};

}  // namespace dash::builder
