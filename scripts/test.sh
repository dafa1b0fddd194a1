#!/usr/bin/env bash
# Installs what is needed (Debian 12, as root), builds, and runs every check and test. This is what CI runs.
#   scripts/test.sh            everything
#   scripts/test.sh unit       one part: style, unit, sanitizers, integration, fuzz, tidy
# With TEST_MINUTES, what would not be done by then after the start is left out, and named: a sanitizer, fuzzing, files for
# clang-tidy. Tests are never left out.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. scripts/packages.sh
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1  # other clones may share the cache
parts=${*:-style unit integration sanitizers fuzz tidy}

[ -z "${TEST_MINUTES:-}" ] || export TEST_UNTIL=$(($(date +%s) + TEST_MINUTES * 60))

# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES $SERVE_PACKAGES $TEST_PACKAGES

sources() { git ls-files -- '*.cpp' '*.hpp' 2>/dev/null || find base oci registry builder cli tests -name '*.[ch]pp'; }

# room_for MINUTES WHAT: whether that much time is left
room_for() {
  [ -n "${TEST_UNTIL:-}" ] && [ $(($(date +%s) + $1 * 60)) -gt "$TEST_UNTIL" ] || return 0
  echo "The time is short: $2 is left out"
  return 1
}

style() { sources | xargs clang-format --dry-run --Werror; }

build() { # build PRESET
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1"
}

unit() {
  build release
  ctest --preset release -L unit
}

integration() {
  build release
  export DASH_E2E_DIR=${DASH_E2E_DIR:-/var/tmp/dash-e2e}
  rm -rf "$DASH_E2E_DIR/store"  # left by another version
  scripts/go_tools.sh "$DASH_E2E_DIR/tools" umoci registry crane regctl oras
  ctest --preset release -LE unit
}

sanitizers() {
  export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp"
  for preset in asan tsan; do
    room_for 25 "$preset" || continue  # a build of its own, and the tests
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset" --target unit_tests
    ctest --preset "$preset" -L unit
  done
}

fuzz() {
  room_for 8 fuzzing || return 0
  cmake --preset fuzz >/dev/null
  cmake --build --preset fuzz --target fuzz
  fuzz/run.sh build/fuzz/bin "${FUZZ_SECONDS:-10}"
}

tidy() { scripts/tidy.sh; }

for part in $parts; do
  echo "== $part"
  start=$SECONDS
  "$part"
  echo "== $part passed in $((SECONDS - start)) s"
done
