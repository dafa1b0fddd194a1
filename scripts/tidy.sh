#!/usr/bin/env bash
# clang-tidy over every source of the program (not the tests), both cores; any finding fails. With the flags of the fuzz
# preset, which are those of clang.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
[ -f build/fuzz/compile_commands.json ] || cmake --preset fuzz >/dev/null
git ls-files -- 'base/*.cpp' 'oci/*.cpp' 'registry/*.cpp' 'builder/*.cpp' 'cli/*.cpp' |
  xargs -P "$(nproc)" -n 4 clang-tidy -p build/fuzz --quiet
