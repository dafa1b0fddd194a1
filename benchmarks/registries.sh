# Sourced, with $lab set: two registries on loopback, and rows of measure.py. Distribution v3 ("registry") is used when it is
# found in $DASH_TOOLS, $PEERS or $PATH, else Debian's docker-registry.
export PATH=${DASH_TOOLS:-${BENCH_DIR:-/var/tmp/dash-bench}/tools}:${PEERS:-${BENCH_DIR:-/var/tmp/dash-bench}/peers}:$PATH
export HOME=$lab/home DASH_BUILD_HOME=$lab/store
server=$(command -v registry || command -v docker-registry)
runs=${1:-5}
mkdir -p "$lab" "$HOME"
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
first=127.0.0.1:$one second=127.0.0.1:$two
serve first "$one"
serve second "$two"
for registry in "$first" "$second"; do
  ! command -v regctl >/dev/null || regctl registry set --tls disabled "$registry" >/dev/null 2>&1
done

# The registry keeps nothing about content in memory (no cache), so removing its files empties it.
empty="rm -rf '$lab/second/data/docker'"
clean="rm -rf '$lab/out'"
rows=()
row() { # row NAME BEFORE COMMAND [SIZE]
  rows+=("$(python3 -c 'import json, sys; print(json.dumps(dict(zip(("name", "before", "command", "size"), sys.argv[1:]))))' "$@")")
}
measure() { # measure TITLE [RUNS]
  (IFS=,; echo "[${rows[*]}]") >"$lab/cases.json"
  echo "$1"
  python3 "$root/benchmarks/measure.py" "$lab/cases.json" -n "${2:-$runs}"
  rows=()
}
have() { command -v "$1" >/dev/null; }
