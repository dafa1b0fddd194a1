#!/usr/bin/env bash
# A set of 20 images (2 GiB, layers shared as images on few bases share them) from one registry on loopback to another, and
# again with nothing to do: `mirror sync` beside regsync, skopeo, crane and oras.
#   benchmarks/mirror.sh [RUNS]
# Peers are found as in registry.sh; regsync is built by peers.sh. "MB" is what the destination got.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}/mirror
. "$root/benchmarks/registries.sh"
python3 "$root/benchmarks/registry_images.py" mirror "$lab/images" # made once
names=$(cd "$lab/images" && ls)
for name in $names; do "$program" copy --progress quiet "oci:$lab/images/$name" "docker://$first/set/$name:1"; done >/dev/null

# Peers are told that the registries speak plain HTTP; so is dash-build.
for registry in "$first" "$second"; do
  mkdir -p "$lab/certs.d/$registry"
  echo "server = \"http://$registry\"" >"$lab/certs.d/$registry/hosts.toml"
done
{
  echo "destination = \"$second/{repository}\""
  for name in $names; do printf '[[image]]\nsource = "%s/set/%s"\ntags = ["*"]\n' "$first" "$name"; done
} >"$lab/mirror.toml"
{
  printf 'version: 1\ncreds:\n'
  for registry in "$first" "$second"; do printf ' - {registry: "%s", tls: disabled}\n' "$registry"; done
  printf 'defaults: {parallel: 4}\nsync:\n'
  for name in $names; do printf ' - {source: %s/set/%s, target: %s/set/%s, type: repository}\n' "$first" "$name" "$second" "$name"; done
} >"$lab/regsync.yml"
{
  printf '"%s":\n  tls-verify: false\n  images-by-tag-regex:\n' "$first"
  for name in $names; do printf '    set/%s: ".*"\n' "$name"; done
} >"$lab/skopeo.yml"

each() { echo "for i in $(echo $names); do $1; done"; }
all() { # all BEFORE
  row dash-build "$1; rm -rf '$DASH_BUILD_HOME'" "'$program' mirror sync '$lab/mirror.toml' --certs-dir '$lab/certs.d' --progress quiet" "$lab/second/data"
  have regsync && row regsync "$1" "regsync once -c '$lab/regsync.yml'" "$lab/second/data"
  have skopeo && row "skopeo sync" "$1; rm -f /var/lib/containers/cache/blob-info-cache-v1.*" \
    "skopeo --insecure-policy sync --all --preserve-digests --scoped=false --src yaml --dest docker --dest-tls-verify=false '$lab/skopeo.yml' $second/set" "$lab/second/data"
  have crane && row "crane copy" "$1" "$(each "crane copy --insecure $first/set/\$i:1 $second/set/\$i:1")" "$lab/second/data"
  have oras && row "oras cp" "$1" "$(each "oras cp --no-tty --from-plain-http --to-plain-http $first/set/\$i:1 $second/set/\$i:1")" "$lab/second/data"
  true
}
all "$empty"
measure "mirror of $(echo "$names" | wc -w) images, destination empty"
all true
measure "the same with nothing to do"
