// Work on many things of which some may fail.
#pragma once

#include "base/error.hpp"

#include <exception>
#include <string>

namespace dash::registry {

// Threads for small requests: this many hide the time that answers take without being a burden.
inline constexpr unsigned kLookups = 8;

// Runs `body`; an Error that leaves it becomes `failure`, so that it does not hide the others. Being canceled
// and bugs still throw.
template <class Body>
void attempt(std::exception_ptr& failure, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::canceled) throw;
    failure = std::current_exception();
  }
}

// The message of an Error.
inline std::string message_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return error.message();
  }
}

}  // namespace dash::registry
