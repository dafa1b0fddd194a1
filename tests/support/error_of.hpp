// The text of an Error that some code must throw.
#pragma once

#include "base/error.hpp"

#include <optional>
#include <string>

namespace dash::testing {

template <class Body>
std::optional<Error> thrown_by(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

// "CODE: MESSAGE"; "no error" when there is none.
template <class Body>
std::string brief_error_of(Body&& body) {
  const auto error = thrown_by(body);
  return error ? std::string(to_string(error->code())) + ": " + error->message() : "no error";
}

// "CODE: MESSAGE | HINT"; "no error" when there is none.
template <class Body>
std::string error_of(Body&& body) {
  const auto error = thrown_by(body);
  return error ? std::string(to_string(error->code())) + ": " + error->message() + " | " + error->hint()
               : "no error";
}

}  // namespace dash::testing
