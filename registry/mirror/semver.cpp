#include "registry/mirror/semver.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace dash::registry {

namespace {

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kIdentifier = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
constexpr std::size_t kMaxDigits = 18;  // so that the next number still fits

// A version of which the later parts may be missing, or be wildcards.
struct Partial {
  std::vector<std::uint64_t> numbers;  // at most three
  std::vector<std::string> prerelease;

  Version floor() const {
    const auto at = [this](std::size_t i) { return i < numbers.size() ? numbers[i] : 0; };
    return {at(0), at(1), at(2), prerelease};
  }
  // The first version, prereleases included, whose part `part` (0: major) is larger.
  Version behind(std::size_t part) const {
    Version out{floor().major, part > 0 ? floor().minor : 0, part > 1 ? floor().patch : 0, {"0"}};
    ++(part == 0 ? out.major : part == 1 ? out.minor : out.patch);
    return out;
  }
  bool is_whole() const { return numbers.size() == 3; }
};

std::optional<std::uint64_t> parse_number(std::string_view text) {
  return text.size() <= kMaxDigits ? parse_uint(text) : std::nullopt;
}

enum class Wildcards { refused, accepted };

std::optional<Partial> parse_partial(std::string_view text, Wildcards wildcards) {
  if (text.starts_with('v') || text.starts_with('V')) text.remove_prefix(1);
  Partial out;
  if (const auto metadata = text.find_first_of("+_"); metadata != std::string_view::npos) {
    const auto rest = text.substr(metadata + 1);
    if (rest.empty() || rest.find_first_not_of(concat(kIdentifier, "._+")) != std::string_view::npos)
      return std::nullopt;
    text = text.substr(0, metadata);
  }
  if (const auto dash = text.find('-'); dash != std::string_view::npos) {
    for (const auto part : split(text.substr(dash + 1), '.')) {
      if (part.empty() || part.find_first_not_of(kIdentifier) != std::string_view::npos) return std::nullopt;
      out.prerelease.emplace_back(part);
    }
    text = text.substr(0, dash);
  }
  const auto parts = split(text, '.');
  if (parts.size() > 3) return std::nullopt;
  bool open = false;
  for (const auto part : parts) {
    if (wildcards == Wildcards::accepted && (part == "x" || part == "X" || part == "*")) {
      open = true;
      continue;
    }
    const auto number = parse_number(part);
    if (!number || open) return std::nullopt;
    out.numbers.push_back(*number);
  }
  if (wildcards == Wildcards::accepted && !out.is_whole() && !out.prerelease.empty()) return std::nullopt;
  return out;
}

bool is_number(const std::string& text) {
  return text.find_first_not_of(kDigits) == std::string::npos;
}

std::strong_ordering compare_numbers(std::string_view one, std::string_view other) {
  const auto strip = [](std::string_view text) {
    return text.substr(std::min(text.find_first_not_of('0'), text.size()));
  };
  one = strip(one);
  other = strip(other);
  const auto by_length = one.size() <=> other.size();
  return by_length != 0 ? by_length : one <=> other;
}

std::strong_ordering compare_identifiers(const std::string& one, const std::string& other) {
  const bool first = is_number(one);
  const bool second = is_number(other);
  if (first && second) return compare_numbers(one, other);
  if (first != second) return first ? std::strong_ordering::less : std::strong_ordering::greater;
  return one <=> other;
}

}  // namespace

std::optional<Version> Version::parse(std::string_view text) {
  const auto partial = parse_partial(text, Wildcards::refused);
  return partial ? std::optional(partial->floor()) : std::nullopt;
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (const auto order = major <=> other.major; order != 0) return order;
  if (const auto order = minor <=> other.minor; order != 0) return order;
  if (const auto order = patch <=> other.patch; order != 0) return order;
  // A release comes after its prereleases.
  if (prerelease.empty() || other.prerelease.empty()) return prerelease.empty() <=> other.prerelease.empty();
  return std::lexicographical_compare_three_way(prerelease.begin(), prerelease.end(),
                                                other.prerelease.begin(), other.prerelease.end(),
                                                compare_identifiers);
}

bool VersionRange::Interval::contains(const Version& version) const {
  const bool above = !low || (low_edge == Edge::inside ? version >= *low : version > *low);
  const bool below = !high || (high_edge == Edge::inside ? version <= *high : version < *high);
  return (above && below) == (means == Means::in);
}

// One pass over the text.
class VersionRange::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), rest_(text) {}

  VersionRange parse() {
    VersionRange out;
    do {
      out.alternatives_.push_back(alternative());
    } while (take("||"));
    return out;
  }

 private:
  using Edge = Interval::Edge;

  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(ErrorCode::invalid_input, concat(quoted(text_), " is no range of versions: ", why))
        .with_hint("ranges look like '>=1.2 <2', '^1.4 || ~2.1', '1.2 - 1.4' or '1.x'");
  }

  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t,"), rest_.size())); }
  bool take(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::string_view take_operator() {
    for (const std::string_view word : {">=", "<=", "!=", "~>", "=", ">", "<", "^", "~"})
      if (take(word)) return word;
    return {};
  }
  Partial take_version(std::string_view before) {
    skip_blanks();
    const auto word = rest_.substr(0, rest_.find_first_of(" \t,|<>=!^~"));
    if (word.empty() && before.empty()) refuse(concat(quoted(rest_), " is no condition"));
    if (word.empty()) refuse(concat("a version is missing after ", quoted(before)));
    rest_.remove_prefix(word.size());
    auto out = parse_partial(word, Wildcards::accepted);
    if (!out) refuse(concat(quoted(word), " is no version"));
    return *std::move(out);
  }

  Alternative alternative() {
    Alternative out;
    for (skip_blanks(); !rest_.empty() && !rest_.starts_with("||"); skip_blanks()) {
      const auto word = take_operator();
      const auto version = take_version(word);
      auto interval = make_interval(word, version);
      if (word.empty() && take("- ")) interval = hyphen(std::move(interval), take_version("-"), out);
      if (!version.prerelease.empty() && interval.means == Interval::Means::in)
        out.prereleases = Alternative::Prereleases::admitted;
      out.all.push_back(std::move(interval));
    }
    if (out.all.empty()) refuse("a condition is missing; '*' is every version");
    return out;
  }

  // `from` is "=" with where the range begins.
  static Interval hyphen(Interval from, const Partial& to, Alternative& out) {
    if (!to.prerelease.empty()) out.prereleases = Alternative::Prereleases::admitted;
    const auto end = make_interval("<=", to);
    from.high = end.high;
    from.high_edge = end.high_edge;
    return from;
  }

  static Interval make_interval(std::string_view word, const Partial& version) {
    const auto parts = version.numbers.size();
    Interval out;
    if (word == ">" || word == ">=") {
      out.low = version.floor();
      if (word == ">" && parts == 0) out.high = Version{0, 0, 0, {"0"}};  // nothing is larger than all
      if (word == ">" && parts > 0) {
        out.low_edge = version.is_whole() ? Edge::outside : Edge::inside;
        if (!version.is_whole()) out.low = version.behind(parts - 1);
      }
      return out;
    }
    if (word == "<") {
      out.high = version.floor();
      if (!version.is_whole()) out.high->prerelease = {"0"};
      out.high_edge = Edge::outside;
      return out;
    }
    if (word != "<=") out.low = version.floor();
    if (word == "!=") out.means = Interval::Means::not_in;
    const auto fixed = fixed_parts(word, version);
    const bool reaches = word == "^" || word.starts_with('~');
    if (version.is_whole() && !reaches) {
      out.high = version.floor();
    } else if (fixed > 0) {
      out.high = version.behind(fixed - 1);
      out.high_edge = Edge::outside;
    }
    return out;
  }

  // How many leading parts of the version stay as they are.
  static std::size_t fixed_parts(std::string_view word, const Partial& version) {
    const auto parts = version.numbers.size();
    if (word.starts_with('~')) return std::min<std::size_t>(parts, 2);
    if (word != "^") return parts;
    std::size_t zeros = 0;
    while (zeros < parts && version.numbers[zeros] == 0) ++zeros;
    return std::min(zeros + 1, parts);
  }

  std::string_view text_;
  std::string_view rest_;
};

VersionRange VersionRange::parse(std::string_view text) {
  return Parser(text).parse();
}

bool VersionRange::contains(const Version& version) const {
  return std::any_of(alternatives_.begin(), alternatives_.end(), [&](const Alternative& alternative) {
    if (!version.prerelease.empty() && alternative.prereleases == Alternative::Prereleases::refused)
      return false;
    return std::all_of(alternative.all.begin(), alternative.all.end(),
                       [&](const Interval& interval) { return interval.contains(version); });
  });
}

void sort_by_version(std::vector<std::string>& tags) {
  struct Row {
    std::optional<Version> version;  // nothing sorts before everything
    std::string tag;
    auto operator<=>(const Row&) const = default;
  };
  std::vector<Row> rows;
  for (auto& tag : tags) {
    auto version = Version::parse(tag);
    rows.push_back({std::move(version), std::move(tag)});
  }
  std::sort(rows.begin(), rows.end());
  for (std::size_t i = 0; i < rows.size(); ++i) tags[i] = std::move(rows[i].tag);
}

}  // namespace dash::registry
