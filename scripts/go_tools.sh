#!/usr/bin/env bash
# Brings programs that tests use and Debian 12 does not have, or has too old, to DIRECTORY, from the Go module proxy:
#   scripts/go_tools.sh DIRECTORY [NAME...]        NAME: umoci, registry, crane, regctl, oras (default: the first two)
# umoci knows zstd there. registry is distribution v3 with what the tests use of it, which takes a minute to build instead of
# the ten that its drivers for clouds need. Debian's own Go is too old for all, but not to fetch a newer toolchain, which is
# a module too.
set -euo pipefail
toolchain=golang.org/toolchain@v0.0.1-go1.26.8.linux-$(dpkg --print-architecture)
mkdir -p "$1"
target=$(cd "$1" && pwd)
shift
missing=()
for name in "${@:-umoci registry}"; do
  for name in $name; do [ -x "$target/$name" ] || missing+=("$name"); done
done
[ "${#missing[@]}" -gt 0 ] || exit 0
. "$(dirname "$0")/packages.sh"
command -v go >/dev/null || install_packages golang-go
export GOPATH=$target/go GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
go=go
if ! go version | grep -Eq 'go1\.(26\.([7-9]|[1-9][0-9])|2[7-9]|[3-9][0-9])'; then
  directory=$(cd / && go mod download -json "$toolchain" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  # Modules are kept without execute permissions.
  chmod -R u+w "$directory"
  find "$directory/bin" "$directory/pkg/tool" -type f -exec chmod +x {} +
  go=$directory/bin/go
  export GOROOT=$directory
fi

# build NAME MODULE@VERSION PACKAGE [REPLACEMENT]: from a module of its own, so that what a release replaces can be repeated.
build() {
  rm -rf "$target/module"
  mkdir -p "$target/module"
  cd "$target/module"
  "$go" mod init "local/$1" 2>/dev/null
  [ -z "${4:-}" ] || "$go" mod edit -replace "$4"
  [ "$3" != . ] || cat >main.go
  timeout 600 "$go" get "$2" >log 2>&1 && timeout 1200 "$go" build -trimpath -o "$target/$1" "$3" >>log 2>&1 ||
    { cat log >&2; echo "cannot build $1 ($2)" >&2; return 1; }
}

for name in "${missing[@]}"; do
  case $name in
    umoci)
      build umoci github.com/opencontainers/umoci@v0.6.0 github.com/opencontainers/umoci/cmd/umoci \
        github.com/vbatts/go-mtree=github.com/cyphar/go-mtree@v0.0.0-20250928235313-918fa724e2fe ;;
    registry)
      build registry github.com/distribution/distribution/v3@v3.1.2 . <<'GO'
package main

import (
	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() { _ = registry.RootCmd.Execute() }
GO
      ;;
    crane) build crane github.com/google/go-containerregistry@v0.22.1 github.com/google/go-containerregistry/cmd/crane ;;
    regctl) build regctl github.com/regclient/regclient@v0.11.7 github.com/regclient/regclient/cmd/regctl ;;
    oras) build oras oras.land/oras@v1.3.6 oras.land/oras/cmd/oras ;;
    *) echo "unknown: $name" >&2; exit 2 ;;
  esac
done
chmod -R u+w "$target/go"
rm -rf "$target/go" "$target/module"
