#!/usr/bin/env bash
# Builds the peers that Debian does not have, or has too old, from the Go module proxy, into $PEERS (default
# /var/tmp/dash-bench/peers): those that tests use, too (scripts/go_tools.sh), then regsync, BuildKit and kaniko, which need a
# recent Go. About ten minutes on two cores. What is there is kept.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
peers=${PEERS:-${BENCH_DIR:-/var/tmp/dash-bench}/peers}
"$root/scripts/go_tools.sh" "$peers" umoci registry crane regctl oras
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
while read -r name module package; do
  [ ! -x "$peers/$name" ] || continue
  echo "$name" >&2
  # Modules with replace lines cannot be installed; a module of our own that requires them can be built.
  work=$(mktemp -d)
  (cd "$work" && go mod init "local/$name" && go get "$module" && go build -mod=mod -trimpath -o "$peers/$name" "$package") \
    2>"$work.log" || { cat "$work.log" >&2; exit 1; }
  rm -rf "$work" "$work.log"
done <<'PEERS'
regsync github.com/regclient/regclient@v0.11.7 github.com/regclient/regclient/cmd/regsync
buildctl github.com/moby/buildkit@v0.34.2 github.com/moby/buildkit/cmd/buildctl
buildkitd github.com/moby/buildkit@v0.34.2 github.com/moby/buildkit/cmd/buildkitd
executor github.com/GoogleContainerTools/kaniko@v1.24.0 github.com/GoogleContainerTools/kaniko/cmd/executor
PEERS
