#!/usr/bin/env bash
# The demo app cold, nothing cached: `dash-build build` beside buildah, BuildKit and kaniko with pip and with uv inside. All
# take the same base image and the same wheels from one index on loopback, and write an image layout (kaniko: into a
# registry on loopback, where it also finds the base). dash-build also fetches its uv within the time. BuildKit and kaniko
# are those of peers.sh; they are left out when they are not there.
#   benchmarks/cold.sh [RUNS]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}
app=$root/testdata/apps/sales
port=${INDEX_PORT:-8071}
index=http://127.0.0.1:$port/simple/
uv=$(sed -n 's/.*kUvVersion = "\(.*\)".*/\1/p' "$root/builder/python/uv_release.hpp")
peers=${PEERS:-$lab/peers}
mkdir -p "$lab"

if [ ! -d "$lab/wheels" ]; then
  echo "downloading wheels" >&2
  python3 -m pip download --quiet --only-binary :all: --python-version 3.11.2 --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d "$lab/wheels.part" \
    -r "$app/requirements.txt" pip "uv==$uv"
  mv "$lab/wheels.part" "$lab/wheels"
fi
if [ ! -d "$lab/base" ]; then
  echo "making the base image" >&2
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$lab/base.tar"
  rm -rf "$lab/rootfs" && mkdir "$lab/rootfs" && tar -C "$lab/rootfs" --exclude='./dev/*' -xf "$lab/base.tar"
  python3 -m pip install --quiet --no-deps --target "$lab/uv" --find-links "$lab/wheels" --no-index "uv==$uv"
  cp "$lab/uv/bin/uv" "$lab/rootfs/usr/local/bin/uv"
  "$program" layer "$lab/rootfs" -o "oci:$lab/base:latest" >/dev/null
  rm -rf "$lab/rootfs" "$lab/base.tar" "$lab/uv"
fi
for installer in pip uv; do
  install="pip install --no-cache-dir -r requirements.txt"
  [ $installer = uv ] && install="uv pip install --no-cache --compile-bytecode --python /venv/bin/python -r requirements.txt"
  mkdir -p "$lab/$installer"
  cat >"$lab/$installer/Dockerfile" <<D
ARG BASE
FROM \${BASE}
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin PIP_INDEX_URL=$index UV_DEFAULT_INDEX=$index PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /venv
WORKDIR /app
COPY requirements.txt /app/
RUN $install
COPY . /app/
CMD ["gunicorn", "app:server"]
D
done

python3 "$root/benchmarks/simple_index.py" "$lab/wheels" "$port" &
server=$!
trap 'kill $server' EXIT
sleep 1
rows=()
row() { # row NAME RESULT BEFORE COMMAND [DAEMON]
  rows+=("$(python3 -c 'import json, sys
print(json.dumps(dict(zip(("name", "size", "before", "command", "daemon"), sys.argv[1:]))))' "$@")")
}
# As buildah has to be called without CAP_SYS_RESOURCE, and with an index on loopback.
files=$(ulimit -Hn)
processes=$(ulimit -Hu)
[ "$files" = unlimited ] && files=1048576
{ [ "$processes" = unlimited ] || [ "$processes" -gt 32768 ]; } && processes=32768
limits="--ulimit nofile=$files:$files --ulimit nproc=$processes:$processes"
store="--root $lab/containers/root --runroot $lab/containers/run --storage-driver overlay"
row dash-build "$lab/out" "rm -rf '$lab/home' '$lab/out'" \
  "env -u PIP_FIND_LINKS DASH_BUILD_HOME=$lab/home PIP_INDEX_URL=$index '$program' build '$app' -t app --base oci:$lab/base:latest -o oci:$lab/out:latest"
for installer in pip uv; do
  row "buildah bud, $installer" "$lab/out" \
    "buildah $store rm -a >/dev/null 2>&1; buildah $store rmi -a -f >/dev/null 2>&1; rm -rf '$lab/out'" \
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
(IFS=,; echo "[${rows[*]}]") >"$lab/cold.json"
python3 "$root/benchmarks/measure.py" "$lab/cold.json" -n "${1:-3}"
rm -rf "$lab/home" "$lab/out" "$lab/containers" "$lab/kaniko" "$lab/registry"
