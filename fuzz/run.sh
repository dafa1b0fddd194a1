#!/usr/bin/env bash
# Runs every fuzz target for a bounded time, two at once: fuzz/run.sh DIRECTORY_OF_TARGETS SECONDS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
targets=$1
seconds=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$here/seeds.py" "$work"
run() {
  local name
  name=$(basename "$1")
  mkdir -p "$work/$name"
  local dictionary=()
  [ -f "$here/$name.dict" ] && dictionary=("-dict=$here/$name.dict")
  "$1" -max_total_time="$seconds" -max_len=16384 -rss_limit_mb=2048 -print_final_stats=1 \
    "-artifact_prefix=$work/$name-" "${dictionary[@]}" "$work/$name" >"$work/$name.log" 2>&1 ||
    { tail -n 60 "$work/$name.log"; return 1; }
  echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$name.log") runs, no finding"
}
export -f run
export here work seconds
find "$targets" -name '*_fuzz' -type f | sort | xargs -P 2 -I{} bash -c 'run {}'
