#!/usr/bin/env bash
# From nothing to a served page: installs what is needed (Debian 12, as root), builds the program, builds the image of
# a real Dash app, and runs it with containerd. Bounded in time, on loopback; leaves only build/ and the store behind.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
app=${1:-$root/testdata/apps/sales}
port=${PORT:-8050}
. "$root/scripts/packages.sh"
. "$root/scripts/containerd.sh"

echo "== 1. packages"
# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES $SERVE_PACKAGES

echo "== 2. the program"
cmake --preset release -S "$root" -DBUILD_TESTING=OFF >/dev/null
cmake --build "$root/build/release" --target dash-build
program=$root/build/release/bin/dash-build

scratch=$(mktemp -d /var/tmp/dash-demo.XXXXXX)
trap 'containerd_stop; rm -rf "$scratch"' EXIT

echo "== 3. the image of $app"
"$program" build "$app" -t demo -o "oci-archive:$scratch/demo.tar:latest" --metadata-file "$scratch/demo.json"

echo "== 4. the same again: nothing to do"
"$program" build "$app" -t demo --progress quiet

echo "== 5. its page, from a container"
containerd_start "$scratch/containerd"
containerd_import "$scratch/demo.tar" demo.example/demo
image=$(containerd_ctr images list -q | head -n 1)
containerd_run "$image" demo "$port"
containerd_page demo "$port" >"$scratch/page"
grep -o '<title>[^<]*</title>' "$scratch/page"
echo "answered by user $(containerd_exec demo id -u) at http://127.0.0.1:$port/"
