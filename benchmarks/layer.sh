#!/usr/bin/env bash
# One large Python tree as one layer: `dash-build layer` beside its peers and the floor, a pipeline of tar, the compressor
# and the two digests that every image needs; then one file of 4 GiB, for the memory it takes.
#   benchmarks/layer.sh [RUNS]
# $TREE is the directory (made once: about 1 GB of popular packages); $DASH_BUILD the program. Peers that are not
# installed are left out: buildah and umoci (Debian's, or a newer one of peers.sh, which writes zstd too), and crane and
# BuildKit of peers.sh.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}
tree=${TREE:-$lab/tree}
peers=${PEERS:-$lab/peers}
umoci=umoci
[ -x "$peers/umoci" ] && umoci=$peers/umoci
mkdir -p "$lab/out"
if [ ! -d "$tree" ]; then
  echo "making $tree" >&2
  python3 -m pip install --quiet --no-warn-script-location --target "$tree.part" \
    dash pandas numpy scipy scikit-learn pyarrow matplotlib statsmodels sympy boto3 polars plotly gunicorn
  mv "$tree.part" "$tree"
fi
out=$lab/out
floor="tar --sort=name --numeric-owner -C '$tree' -cf - . | tee >(sha256sum >'$out/d1') |"
clean="rm -rf '$out'; mkdir -p '$out'"
rows=()
row() { # row NAME RESULT COMMAND [BEFORE [DAEMON]]
  rows+=("$(python3 -c 'import json, sys
print(json.dumps(dict(zip(("name", "size", "command", "before", "daemon"), sys.argv[1:]))))' \
    "$1" "$2" "$3" "$clean; ${4:-}" "${5:-}")")
}
insert="cd '$out' && $umoci init --layout l && $umoci new --image l:x && $umoci insert"
row "dash-build zstd" "$out/l" "'$program' layer '$tree' -o oci:$out/l:x"
row "floor zstd -3 -T2" "$out/b" "set -o pipefail; $floor zstd -q -3 -T2 | tee '$out/b' | sha256sum"
row "dash-build gzip" "$out/l" "'$program' layer '$tree' --compression gzip -o oci:$out/l:x"
row "umoci insert, gzip" "$out/l" "$insert --image l:x '$tree' /"
if $umoci insert --help | grep -q -- --compress; then
  row "umoci insert, zstd" "$out/l" "$insert --compress=zstd --image l:x '$tree' /"
fi
if [ -x "$peers/crane" ]; then # takes a tar; level 1 of gzip
  row "crane append, gzip -1" "$out/c.tar" \
    "tar --sort=name --numeric-owner -C '$tree' -cf '$out/t' . && '$peers/crane' append --oci-empty-base -f '$out/t' -t 127.0.0.1/x:x -o '$out/c.tar'"
fi
if command -v buildah >/dev/null; then
  store="buildah --root $lab/containers/root --runroot $lab/containers/run --storage-driver overlay"
  row "buildah copy, commit, gzip" "$out/l" \
    "c=\$($store from scratch) && $store copy -q \$c '$tree' / && $store commit -q --disable-compression=false --rm \$c oci:$out/l:x"
fi
if [ -x "$peers/buildkitd" ]; then
  . "$root/benchmarks/buildkit.sh"
  start_buildkit
  trap stop_buildkit EXIT
  mkdir -p "$lab/copy" && printf 'FROM scratch\nCOPY . /\n' >"$lab/copy/Dockerfile"
  for compression in gzip zstd; do
    row "BuildKit COPY, $compression" "$out/l" \
      "$buildctl build --progress=quiet --no-cache --frontend dockerfile.v0 --local context='$tree' --local dockerfile='$lab/copy' --output type=oci,tar=false,dest='$out/l',compression=$compression,oci-mediatypes=true" \
      "$buildctl prune --all >/dev/null" "$buildkit_pid"
  done
fi
(IFS=,; echo "[${rows[*]}]") >"$lab/layer.json"
big=$lab/big
if [ ! -e "$big/file" ]; then # half of it does not compress
  mkdir -p "$big" && head -c 2G /dev/urandom >"$big/part" && head -c 2G /dev/zero >>"$big/part" && mv "$big/part" "$big/file"
fi
printf '[{"name": "dash-build zstd, 4 GiB file", "before": "%s", "command": "%s", "size": "%s"},
 {"name": "dash-build gzip, 4 GiB file", "before": "%s", "command": "%s", "size": "%s"}]' \
  "$clean" "'$program' layer '$big' -o oci:$out/l:x" "$out/l" \
  "$clean" "'$program' layer '$big' --compression gzip -o oci:$out/l:x" "$out/l" >"$lab/big.json"

echo "tree: $(du -sm --apparent-size "$tree" | cut -f1) MB, $(find "$tree" | wc -l) entries; $($umoci --version | head -n 1); $(nproc) cores"
python3 "$root/benchmarks/measure.py" "$lab/layer.json" -n "${1:-5}"
python3 "$root/benchmarks/measure.py" "$lab/big.json" -n 1
rm -rf "$out" "$lab/containers"
