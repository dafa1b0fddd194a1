// What changed between two lists of lines, in a few words.
#pragma once

#include <string>
#include <vector>

namespace dash::builder {

// "pandas==2.2.2 → pandas==2.2.3, + flask-caching==2.3.0, - gunicorn", at most a handful, then "4 more". A
// line that went and one that came are a pair when they start with the same name. "the order changed" when
// that is all; empty when the lists are equal.
std::string describe_lines(const std::vector<std::string>& before, const std::vector<std::string>& now);

// "app.py, + assets/new.css, - old.py", for lines of a path, a tab and what tells one content from another.
std::string describe_files(const std::vector<std::string>& before, const std::vector<std::string>& now);

}  // namespace dash::builder
