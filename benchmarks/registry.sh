#!/usr/bin/env bash
# Two registries on loopback: a set of images from one to the other, an image with a layer of 1 GiB pushed from a layout and
# pulled into one, and the same push when everything is there; dash-build beside its peers.
#   benchmarks/registry.sh [RUNS]
# $DASH_BUILD is the program. Peers that are not found (registries.sh) are left out: skopeo, crane, regctl, oras; peers.sh
# builds them. The registries' own CPU is in no row, but shares the cores with them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}/registry
. "$root/benchmarks/registries.sh"
python3 "$root/benchmarks/registry_images.py" push "$lab/images" # made once
images=$(cd "$lab/images/set" && ls)
for image in $images; do "$program" copy --progress quiet "oci:$lab/images/set/$image" "docker://$first/set/$image:1" >/dev/null; done
large=$lab/images/large
"$program" copy --progress quiet "oci:$large" "docker://$first/large:1" >/dev/null

each() { echo "for i in $(echo $images); do $1; done"; }
skopeo="skopeo copy -q --insecure-policy --preserve-digests --all"
oras="oras cp --no-tty"

row dash-build "$empty; rm -rf '$DASH_BUILD_HOME'" "$(each "'$program' copy --progress quiet docker://$first/set/\$i:1 docker://$second/set/\$i:1")"
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
