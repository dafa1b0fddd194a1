#!/usr/bin/env bash
# Brings a umoci that knows zstd (Debian 12's does not) to DIRECTORY/umoci, from the Go module proxy: scripts/umoci.sh DIRECTORY
# Debian's own Go is too old to build it, but not to fetch a newer toolchain, which is a module too.
set -euo pipefail
version=v0.6.0
toolchain=golang.org/toolchain@v0.0.1-go1.25.0.linux-$(dpkg --print-architecture)
target=$1
[ -x "$target/umoci" ] && exit 0
. "$(dirname "$0")/packages.sh"
command -v go >/dev/null || install_packages golang-go
mkdir -p "$target"
export GOPATH=$target/go GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
go=go
if ! go version | grep -Eq 'go1\.(2[4-9]|[3-9][0-9])'; then
  directory=$(cd / && go mod download -json "$toolchain" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  # Modules are kept without execute permissions.
  chmod -R u+w "$directory"
  find "$directory/bin" "$directory/pkg/tool" -type f -exec chmod +x {} +
  go=$directory/bin/go
  export GOROOT=$directory
fi
module=$target/module
rm -rf "$module"
mkdir -p "$module"
cd "$module"
"$go" mod init local/umoci 2>/dev/null
# The release's own replacement, which a dependent module has to repeat.
"$go" mod edit -replace github.com/vbatts/go-mtree=github.com/cyphar/go-mtree@v0.0.0-20250928235313-918fa724e2fe
"$go" get -d "github.com/opencontainers/umoci@$version" >/dev/null 2>&1 || "$go" get "github.com/opencontainers/umoci@$version"
"$go" build -trimpath -o "$target/umoci" github.com/opencontainers/umoci/cmd/umoci
chmod -R u+w "$target/go"
rm -rf "$target/go" "$module"
