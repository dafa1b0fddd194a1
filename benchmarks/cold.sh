#!/usr/bin/env bash
# The demo app cold, nothing cached: `dash-build build` beside `buildah bud` with pip and with uv inside. All take the
# same base image and the same wheels from one index on loopback. dash-build also fetches its uv within the time.
#   benchmarks/cold.sh [RUNS]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}
app=$root/testdata/apps/sales
port=${INDEX_PORT:-8071}
index=http://127.0.0.1:$port/simple/
uv=$(sed -n 's/.*kUvVersion = "\(.*\)".*/\1/p' "$root/builder/python/uv_release.hpp")
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
FROM oci:$lab/base:latest
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
# As buildah has to be called without CAP_SYS_RESOURCE, and with an index on loopback.
files=$(ulimit -Hn)
processes=$(ulimit -Hu)
[ "$files" = unlimited ] && files=1048576
{ [ "$processes" = unlimited ] || [ "$processes" -gt 32768 ]; } && processes=32768
limits="--ulimit nofile=$files:$files --ulimit nproc=$processes:$processes"
bud() { # bud INSTALLER
  local store="--root $lab/containers/root --runroot $lab/containers/run --storage-driver overlay"
  cat <<JSON
 {"name": "buildah bud, $1", "before": "buildah $store rm -a >/dev/null 2>&1; buildah $store rmi -a -f >/dev/null 2>&1; rm -rf $lab/out", "command": "buildah $store bud -q --isolation chroot --network host $limits --no-cache -f $lab/$1/Dockerfile -t app $app && buildah $store push -q --disable-compression=false app oci:$lab/out:latest", "size": "$lab/out"}
JSON
}
cat >"$lab/cold.json" <<JSON
[
 {"name": "dash-build", "before": "rm -rf $lab/home $lab/out", "command": "env -u PIP_FIND_LINKS DASH_BUILD_HOME=$lab/home PIP_INDEX_URL=$index '$program' build '$app' -t app --base oci:$lab/base:latest -o oci:$lab/out:latest", "size": "$lab/out"},
$(bud pip),
$(bud uv)
]
JSON
python3 "$root/benchmarks/measure.py" "$lab/cold.json" -n "${1:-3}"
rm -rf "$lab/home" "$lab/out" "$lab/containers"
