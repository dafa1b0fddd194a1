#!/usr/bin/env bash
# A set of 20 images (2 GiB, layers shared as images on few bases share them) from one registry on loopback to another, again
# with nothing to do, and with one image changed: `mirror sync` beside regsync, skopeo, crane and oras. Then the set into one
# file and out of it into an empty registry, beside what skopeo and oras write into a directory.
#   benchmarks/mirror.sh [RUNS] [PART...]     parts: cold, again, changed, export, import; all without any
# Peers are found as in registry.sh; regsync is built by peers.sh. "MB" is what the destination got.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}/mirror
. "$root/benchmarks/registries.sh"
[ $# -eq 0 ] || shift
parts=${*:-cold again changed export import}
wants() { [[ " $parts " == *" $1 "* ]]; }
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
if wants cold; then
  all "$empty"
  measure "mirror of $(echo "$names" | wc -w) images, destination empty"
fi
if wants again; then
  all true
  measure "the same with nothing to do"
fi

if wants changed; then
  "$program" mirror sync "$lab/mirror.toml" --certs-dir "$lab/certs.d" --progress quiet >/dev/null
  # What the destination has, aside: blobs never change, so links do for them.
  v2=docker/registry/v2
  mkdir -p "$lab/second/full/$v2"
  cp -al "$lab/second/data/$v2/blobs" "$lab/second/full/$v2/"
  cp -a "$lab/second/data/$v2/repositories" "$lab/second/full/$v2/"
  full="$empty; mkdir -p '$lab/second/data/$v2'; cp -al '$lab/second/full/$v2/blobs' '$lab/second/data/$v2/'; cp -a '$lab/second/full/$v2/repositories' '$lab/second/data/$v2/'"
  python3 "$root/benchmarks/registry_images.py" changed "$lab/changed"
  "$program" copy --progress quiet "oci:$lab/changed/01" "docker://$first/set/01:1" >/dev/null
  all "$full"
  measure "the same with one image changed (70 MiB)"
fi

bundle="--certs-dir '$lab/certs.d' --progress quiet"
out=$lab/out
fresh="$clean; mkdir '$out'; rm -rf '$DASH_BUILD_HOME' /var/lib/containers/cache/blob-info-cache-v1.*"
if wants export; then
  row dash-build "$fresh" "'$program' mirror export '$out/set.tar' --from '$lab/mirror.toml' $bundle" "$out"
  have skopeo && row "skopeo sync to dir" "$fresh" \
    "skopeo --insecure-policy sync --all --preserve-digests --scoped=false --src yaml --dest dir '$lab/skopeo.yml' '$out'" "$out"
  have oras && row "oras cp to a layout" "$fresh" "$(each "oras cp --no-tty --from-plain-http --to-oci-layout $first/set/\$i:1 $out:\$i")" "$out"
  measure "export of the set"
fi
wants import || exit 0
carried=$lab/carried
rm -rf "$carried"
mkdir -p "$carried/dirs" "$carried/layout"
"$program" mirror export "$carried/set.tar" --from "$lab/mirror.toml" --certs-dir "$lab/certs.d" --progress quiet >/dev/null
row dash-build "$empty; rm -rf '$DASH_BUILD_HOME'" "'$program' mirror import '$carried/set.tar' '$second' $bundle" "$lab/second/data"
if have skopeo; then
  skopeo --insecure-policy sync --all --preserve-digests --scoped=false --src yaml --dest dir "$lab/skopeo.yml" "$carried/dirs" >/dev/null 2>&1
  row "skopeo sync from dir" "$empty; rm -f /var/lib/containers/cache/blob-info-cache-v1.*" \
    "skopeo --insecure-policy sync --all --preserve-digests --src dir --dest docker --dest-tls-verify=false '$carried/dirs' $second/set" "$lab/second/data"
fi
if have oras; then
  eval "$(each "oras cp --no-tty --from-plain-http --to-oci-layout $first/set/\$i:1 $carried/layout:\$i")" >/dev/null
  row "oras cp from a layout" "$empty" "$(each "oras cp --no-tty --from-oci-layout --to-plain-http $carried/layout:\$i $second/set/\$i:1")" "$lab/second/data"
fi
measure "import of the set into an empty registry"
rm -rf "$carried"
