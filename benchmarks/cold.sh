#!/usr/bin/env bash
# The demo app cold, nothing cached: `dash-build build` beside buildah, BuildKit and kaniko with pip and with uv inside. All
# take the same base image and the same wheels from one index on loopback, and write an image layout (kaniko: into a
# registry on loopback, where it also finds the base). dash-build also fetches its uv within the time. BuildKit and kaniko
# are those of peers.sh; they are left out when they are not there.
#   benchmarks/cold.sh [RUNS]
set -euo pipefail
. "$(dirname "$0")/demo_app.sh"
row dash-build "$lab/out" "rm -rf '$lab/home' '$lab/out'" \
  "env -u PIP_FIND_LINKS DASH_BUILD_HOME=$lab/home PIP_INDEX_URL=$index '$program' build '$app' -t app --base oci:$lab/base:latest -o oci:$lab/out:latest"
for installer in pip uv; do
  row "buildah bud, $installer" "$lab/out" \
    "$no_images; rm -rf '$lab/out'" \
    "buildah $store bud -q --isolation chroot --network host $limits --no-cache --build-arg BASE=oci:$lab/base:latest -f '$lab/$installer/Dockerfile' -t app '$app' && buildah $store push -q --disable-compression=false app oci:$lab/out:latest"
done
if [ -x "$peers/buildkitd" ]; then
  . "$root/benchmarks/buildkit.sh"
  start_buildkit
  trap 'kill $server; stop_buildkit' EXIT
  digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["manifests"][0]["digest"])' "$lab/base/index.json")
  for installer in pip uv; do
    row "BuildKit, $installer" "$lab/out" "$buildctl prune --all >/dev/null; rm -rf '$lab/out'" \
      "$buildctl build --progress=quiet --frontend dockerfile.v0 --local context='$app' --local dockerfile='$lab/$installer' --oci-layout base='$lab/base' --opt context:base=oci-layout://base@$digest --opt build-arg:BASE=base --output type=oci,tar=false,dest='$lab/out'" \
      "$buildkit_pid"
  done
fi
if [ -x "$peers/executor" ]; then
  registry=127.0.0.1:$((port + 1))
  printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' \
    "$lab/registry" "$registry" >"$lab/registry.yml"
  docker-registry serve "$lab/registry.yml" >/dev/null 2>&1 &
  trap 'kill $server '$!'; [ ! -e "${buildkit_pid:-/nothing}" ] || stop_buildkit' EXIT
  sleep 1
  "$program" push "oci:$lab/base:latest" "$registry/base:latest" >/dev/null
  for installer in pip uv; do
    row "kaniko, $installer" "" "bash '$root/benchmarks/kaniko.sh' prepare '$peers/executor' '$lab/kaniko'" \
      "unshare -m -p -f bash '$root/benchmarks/kaniko.sh' run '$lab/kaniko' '$app' '$lab/$installer' '$registry'"
  done
fi
measure cold "${1:-3}"
rm -rf "$lab/home" "$lab/out" "$lab/containers" "$lab/kaniko" "$lab/registry"
