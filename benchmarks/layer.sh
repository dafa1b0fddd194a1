#!/usr/bin/env bash
# One large Python tree as one layer: `dash-build layer` beside umoci and the floor, a pipeline of tar, the compressor and
# the two digests that every image needs. Debian's umoci; $UMOCI names another one (zstd needs 0.5 or newer).
#   benchmarks/layer.sh [RUNS]
# $TREE is the directory (made once: about 1 GB of popular packages); $DASH_BUILD the program.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=${DASH_BUILD:-$root/build/release/bin/dash-build}
lab=${BENCH_DIR:-/var/tmp/dash-bench}
tree=${TREE:-$lab/tree}
umoci=${UMOCI:-umoci}
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
cat >"$lab/layer.json" <<JSON
[
 {"name": "dash-build zstd", "before": "$clean", "command": "'$program' layer '$tree' -o oci:$out/l:x", "size": "$out/l"},
 {"name": "floor zstd -3 -T2", "before": "$clean", "command": "set -o pipefail; $floor zstd -q -3 -T2 | tee '$out/b' | sha256sum", "size": "$out/b"},
 {"name": "dash-build gzip", "before": "$clean", "command": "'$program' layer '$tree' --compression gzip -o oci:$out/l:x", "size": "$out/l"},
 {"name": "umoci insert (gzip)", "before": "$clean", "command": "cd '$out' && $umoci init --layout l && $umoci new --image l:x && $umoci insert --image l:x '$tree' /", "size": "$out/l"}
]
JSON
echo "tree: $(du -sm --apparent-size "$tree" | cut -f1) MB, $(find "$tree" | wc -l) entries; $($umoci --version); $(nproc) cores"
python3 "$root/benchmarks/measure.py" "$lab/layer.json" -n "${1:-5}"
rm -rf "$out"
