// The WWW-Authenticate field (RFC 9110 §11.6.1): what a server wants to see before it answers.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dash::registry {

struct Challenge {
  std::string scheme;                             // lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // names in lower case; values unquoted
  bool operator==(const Challenge&) const = default;
};

// All challenges in one field's value, in order. Malformed parts are skipped: a server that also sends a
// challenge we understand can be talked to.
std::vector<Challenge> parse_challenges(std::string_view field);

}  // namespace dash::registry
