#!/usr/bin/env bash
# clang-tidy over every source of the program (not the tests), both cores; any finding fails. With the flags of the fuzz
# preset, which are those of clang. What changed last comes first; with TEST_UNTIL (seconds since 1970) no file is begun
# after that time, and those that were not looked at are named.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
[ -f build/fuzz/compile_commands.json ] || cmake --preset fuzz >/dev/null
left=$(mktemp)
trap 'rm -f "$left"' EXIT
export TIDY_LEFT=$left
{
  git log --format= --name-only -n 300 -- '*.cpp'
  git ls-files -- '*.cpp'
} | grep -E '^(base|oci|registry|builder|cli)/' | awk '!seen[$0]++' | while read -r file; do
  [ ! -f "$file" ] || echo "$file"
done | xargs -P "$(nproc)" -n 2 bash -c '
  if [ -n "${TEST_UNTIL:-}" ] && [ "$(date +%s)" -ge "$TEST_UNTIL" ]; then
    printf "%s\n" "$@" >>"$TIDY_LEFT"
  else
    clang-tidy -p build/fuzz --quiet "$@" || exit 1
  fi' tidy
if [ -s "$left" ]; then
  echo "The time was over; clang-tidy did not look at $(wc -l <"$left") files:"
  sort "$left"
fi
