#!/usr/bin/env bash
# From nothing to a served page: installs what is needed (Debian 12, as root), builds the program, builds the image of
# a real Dash app, and runs it with containerd. Bounded in time, on loopback; leaves only build/ and the store behind.
#   scripts/demo.sh [APP_DIR]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
app=${1:-$root/testdata/apps/sales}
. "$root/scripts/packages.sh"

echo "== 1. packages"
# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $RUN_PACKAGES $SERVE_PACKAGES

echo "== 2. the program"
cmake --preset release -S "$root" -DBUILD_TESTING=OFF >/dev/null
cmake --build "$root/build/release" --target dash-build
program=$root/build/release/bin/dash-build

scratch=$(mktemp -d /var/tmp/dash-demo.XXXXXX)
trap 'rm -rf "$scratch"' EXIT

echo "== 3. the image of $app"
"$program" build "$app" -t demo -o "oci-archive:$scratch/demo.tar:latest"

echo "== 4. the same again: nothing to do"
"$program" build "$app" -t demo

echo "== 5. its page, from a container"
timeout 300 python3 "$root/scripts/containerd.py" "$scratch/demo.tar" --port "${PORT:-8050}"
