#!/usr/bin/env bash
# The demo app built again, beside buildah and BuildKit (whose daemon runs already), each with its own warm cache:
#   same     nothing changed, but every file has a fresh time, as after a git checkout
#   source   one line of app.py changed
#   pin      one pinned version in requirements.txt changed, of a small package
#   large    the same of a large one: pandas
#   many     nothing changed in an app of 50,000 further files
# A changed line is new in each run, and dash-build's store is then the same before each. dash-build writes its image to its
# store, the others to theirs.
#   benchmarks/rebuild.sh [RUNS] [MODE...]
set -euo pipefail
. "$(dirname "$0")/demo_app.sh"
runs=${1:-5}
[ $# -gt 0 ] && shift
modes=${*:-same source pin large many}
work=$lab/rebuild
rm -rf "$work" && mkdir -p "$work"
if [ -x "$peers/buildkitd" ]; then
  . "$root/benchmarks/buildkit.sh"
  start_buildkit
  trap 'kill $server; stop_buildkit' EXIT
  digest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["manifests"][0]["digest"])' "$lab/base/index.json")
fi

cat >"$work/lay.sh" <<'SH'
# lay.sh APP DIRECTORY MODE: the app as it is in that mode, every time of a file fresh
set -e
mkdir -p "$2"
rm -rf "$2"/*.py "$2"/assets
cp -r "$1"/. "$2"
n=$(date +%s%N)
case $3 in
  source) echo "# $n" >>"$2/app.py" ;;
  pin) sed -i "s/gunicorn==.*/gunicorn==$OTHER_GUNICORN  # $n/" "$2/requirements.txt" ;;
  large) sed -i "s/pandas==.*/pandas==$OTHER_PANDAS  # $n/" "$2/requirements.txt" ;;
  many)
    if [ ! -d "$2/data" ]; then
      for d in $(seq 500); do mkdir -p "$2/data/$d"; for f in $(seq 100); do echo "$d $f" >"$2/data/$d/$f"; done; done
    fi ;;
esac
[ "$3" = many ] || find "$2" -type f -exec touch {} +
SH
export OTHER_GUNICORN=$other_gunicorn OTHER_PANDAS=$other_pandas
ours="env -u PIP_FIND_LINKS DASH_BUILD_HOME=$lab/warm PIP_INDEX_URL=$index '$program' build --base oci:$lab/base:latest --progress quiet -t app"
for mode in $modes; do
  echo "== $mode"
  for peer in dash-build buildah buildkit; do
    at=$work/$mode-$peer
    lay="bash '$work/lay.sh' '$app' '$at' $mode"
    case $peer in
      dash-build)
        if [ "$mode" = pin ] || [ "$mode" = large ]; then
          rm -rf "$lab/warm"
          eval "$ours '$app'" >/dev/null
          rm -rf "$work/store" && cp -al "$lab/warm" "$work/store"
          lay="$lay; rm -rf '$lab/warm'; cp -al '$work/store' '$lab/warm'"
        fi
        row dash-build "" "$lay" "$ours '$at'" ;;
      buildah)
        row "buildah bud, uv" "" "$lay" \
          "buildah $store bud -q --isolation chroot --network host $limits --layers --build-arg BASE=oci:$lab/base:latest -f '$lab/uv/Dockerfile' -t $mode '$at'" ;;
      buildkit)
        [ -x "$peers/buildkitd" ] || continue
        row "BuildKit, uv" "" "$lay" \
          "$buildctl build --progress=quiet --frontend dockerfile.v0 --local context='$at' --local dockerfile='$lab/uv' --oci-layout base='$lab/base' --opt context:base=oci-layout://base@$digest --opt build-arg:BASE=base --output type=image,name=$mode" \
          "$buildkit_pid" ;;
    esac
  done
  measure "rebuild-$mode" "$runs"
done
eval "$no_images"
rm -rf "$work" "$lab/warm" "$lab/containers"
