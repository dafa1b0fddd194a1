# Sourced: the demo app, its wheels, a base image and a package index on loopback, and how buildah is called. Sets $root,
# $program, $lab, $app, $index, $port, $peers, $store, $limits, $no_images, $other_gunicorn, $other_pandas; `row` collects cases for `measure`.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}
app=$root/testdata/apps/sales
port=${INDEX_PORT:-8071}
index=http://127.0.0.1:$port/simple/
other_gunicorn=22.0.0
other_pandas=2.3.2
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
for pin in "gunicorn==$other_gunicorn" "pandas==$other_pandas"; do # for a changed pin
  ls "$lab/wheels/${pin/==/-}"-*.whl >/dev/null 2>&1 ||
    python3 -m pip download --quiet --no-deps --only-binary :all: --python-version 3.11.2 --platform manylinux_2_28_x86_64 \
      --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d "$lab/wheels" "$pin"
done
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
# As a command: buildah's store becomes empty.
no_images="{ buildah $store rm -a; buildah $store rmi -a -f; } >/dev/null 2>&1 || true"
measure() { # measure NAME RUNS
  (IFS=,; echo "[${rows[*]}]") >"$lab/$1.json"
  python3 "$root/benchmarks/measure.py" "$lab/$1.json" -n "$2"
  rows=()
}
