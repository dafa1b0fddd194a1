#!/usr/bin/env bash
# Two registries on loopback: a set of images from one to the other, an image with a layer of 1 GiB pushed from a layout and
# pulled into one, and the same push when everything is there; dash-build beside its peers.
#   benchmarks/registry.sh [RUNS]
# $DASH_BUILD is the program. Peers that are not found in $DASH_TOOLS or $PATH are left out: skopeo, crane, regctl, oras;
# scripts/go_tools.sh builds them, and distribution v3 ("registry"), which is used when it is found, else Debian's
# docker-registry. The registries' own CPU is in no row, but shares the cores with them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}/registry
export PATH=${DASH_TOOLS:-${BENCH_DIR:-/var/tmp/dash-bench}/tools}:$PATH HOME=$lab/home DASH_BUILD_HOME=$lab/store
server=$(command -v registry || command -v docker-registry)
runs=${1:-5}
mkdir -p "$lab" "$HOME"
python3 "$root/benchmarks/registry_images.py" "$lab/images" # made once
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$lab/first" "$lab/second" "$lab/out" "$lab/store" "$HOME"' EXIT

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
serve() { # serve NAME PORT
  mkdir -p "$lab/$1/data"
  cat >"$lab/$1/config.yml" <<YML
{version: 0.1, log: {level: error, accesslog: {disabled: true}}, http: {addr: "127.0.0.1:$2", secret: bench},
 storage: {filesystem: {rootdirectory: $lab/$1/data}, cache: {}, delete: {enabled: true}}}
YML
  OTEL_TRACES_EXPORTER=none OTEL_METRICS_EXPORTER=none "$server" serve "$lab/$1/config.yml" >"$lab/$1/log" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do curl -fsS -o /dev/null "http://127.0.0.1:$2/v2/" 2>/dev/null && return; sleep 0.1; done
  echo "no answer from $server" >&2
  return 1
}
one=$(port) two=$(port)
serve first "$one"
serve second "$two"
first=127.0.0.1:$one second=127.0.0.1:$two
for registry in "$first" "$second"; do
  ! command -v regctl >/dev/null || regctl registry set --tls disabled "$registry" >/dev/null 2>&1
done
images=$(cd "$lab/images/set" && ls)
for image in $images; do "$program" copy --progress quiet "oci:$lab/images/set/$image" "docker://$first/set/$image:1" >/dev/null; done
large=$lab/images/large
"$program" copy --progress quiet "oci:$large" "docker://$first/large:1" >/dev/null

# The registry keeps nothing about content in memory (no cache), so removing its files empties it.
empty="rm -rf '$lab/second/data/docker'"
clean="rm -rf '$lab/out'"
rows=()
row() { # row NAME BEFORE COMMAND
  rows+=("$(python3 -c 'import json, sys; print(json.dumps(dict(zip(("name", "before", "command"), sys.argv[1:]))))' "$1" "$2" "$3")")
}
measure() { # measure TITLE [RUNS]
  (IFS=,; echo "[${rows[*]}]") >"$lab/cases.json"
  echo "$1"
  python3 "$root/benchmarks/measure.py" "$lab/cases.json" -n "${2:-$runs}"
  rows=()
}
have() { command -v "$1" >/dev/null; }
each() { echo "for i in $(echo $images); do $1; done"; }
skopeo="skopeo copy -q --insecure-policy --preserve-digests --all"
oras="oras cp --no-tty"

row dash-build "$empty" "$(each "'$program' copy --progress quiet docker://$first/set/\$i:1 docker://$second/set/\$i:1")"
have skopeo && row skopeo "$empty; rm -f /var/lib/containers/cache/blob-info-cache-v1.*" \
  "$(each "$skopeo --src-tls-verify=false --dest-tls-verify=false docker://$first/set/\$i:1 docker://$second/set/\$i:1")"
have crane && row crane "$empty" "$(each "crane cp --insecure $first/set/\$i:1 $second/set/\$i:1")"
have regctl && row regctl "$empty" "$(each "regctl image copy $first/set/\$i:1 $second/set/\$i:1")"
have oras && row oras "$empty" "$(each "$oras --from-plain-http --to-plain-http $first/set/\$i:1 $second/set/\$i:1")"
measure "copy of $(echo "$images" | wc -w) images from registry to registry, one call each, destination empty"

pushes() { # pushes BEFORE
  row dash-build "$1" "'$program' copy --progress quiet oci:$large docker://$second/large:1"
  have skopeo && row skopeo "$1" "$skopeo --dest-tls-verify=false oci:$large docker://$second/large:1"
  have crane && row crane "$1" "crane push --insecure $large $second/large:1"
  have regctl && row regctl "$1" "regctl image copy ocidir://$large:1 $second/large:1"
  have oras && row oras "$1" "$oras --from-oci-layout --to-plain-http $large:1 $second/large:1"
  true
}
pushes "$empty"
measure "push of a layer of 1 GiB"
pushes true
measure "push of what is there"

from="$first/large:1"
row dash-build "$clean" "'$program' copy --progress quiet docker://$from oci:$lab/out:1"
have skopeo && row skopeo "$clean" "$skopeo --src-tls-verify=false docker://$from oci:$lab/out:1"
have crane && row crane "$clean" "crane pull --insecure --format=oci $from $lab/out"
have regctl && row regctl "$clean" "regctl image copy $from ocidir://$lab/out:1"
have oras && row oras "$clean" "$oras --from-plain-http --to-oci-layout $from $lab/out:1"
measure "pull of a layer of 1 GiB"
