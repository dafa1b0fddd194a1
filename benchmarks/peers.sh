#!/usr/bin/env bash
# Builds the peers that Debian does not have, or has too old, from the Go module proxy, into $PEERS (default
# /var/tmp/dash-bench/peers). Needs a recent Go; about ten minutes on two cores. What is there is kept.
#   benchmarks/peers.sh [NAME...]
set -euo pipefail
peers=${PEERS:-${BENCH_DIR:-/var/tmp/dash-bench}/peers}
mkdir -p "$peers"
export GOBIN=$peers CGO_ENABLED=0 GOFLAGS=-buildvcs=false
wanted() { [ $# -gt 1 ] || return 0; [[ " ${*:2} " == *" $1 "* ]]; }

install_module() { # install_module NAME PACKAGE@VERSION
  echo "$1" >&2
  go install -trimpath "$2"
}
# Modules with replace lines do not install; a module of our own that requires them does.
build_module() { # build_module NAME MODULE@VERSION PACKAGE [REPLACEMENT]
  echo "$1" >&2
  local work
  work=$(mktemp -d)
  (
    cd "$work"
    go mod init "local/$1"
    [ -z "${4:-}" ] || go mod edit -replace "$4"
    go get "$2"
    go build -mod=mod -trimpath -o "$peers/$1" "$3"
  ) 2>"$work.log" || { cat "$work.log" >&2; exit 1; }
  rm -rf "$work" "$work.log"
}
while read -r name how module package replacement; do
  wanted "$name" "$@" && [ ! -e "$peers/$name" ] || continue
  if [ "$how" = install ]; then install_module "$name" "$module"; else build_module "$name" "$module" "$package" "$replacement"; fi
done <<'PEERS'
crane install github.com/google/go-containerregistry/cmd/crane@v0.22.1
regctl install github.com/regclient/regclient/cmd/regctl@v0.11.7
regsync install github.com/regclient/regclient/cmd/regsync@v0.11.7
oras install oras.land/oras/cmd/oras@v1.3.6
registry install github.com/distribution/distribution/v3/cmd/registry@v3.1.2
umoci build github.com/opencontainers/umoci@v0.6.0 github.com/opencontainers/umoci/cmd/umoci github.com/vbatts/go-mtree=github.com/cyphar/go-mtree@v0.0.0-20250928235313-918fa724e2fe
buildctl build github.com/moby/buildkit@v0.34.2 github.com/moby/buildkit/cmd/buildctl
buildkitd build github.com/moby/buildkit@v0.34.2 github.com/moby/buildkit/cmd/buildkitd
executor build github.com/GoogleContainerTools/kaniko@v1.24.0 github.com/GoogleContainerTools/kaniko/cmd/executor
PEERS
ls "$peers"
