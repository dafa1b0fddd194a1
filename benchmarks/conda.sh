#!/usr/bin/env bash
# Conda apps, with the stand-in for Miniconda of the tests (conda_lab.py), channels and a package index on loopback:
#   installer  the runtime alone: the installer read natively, and run (`bash installer -b -p`), also with tar and zstd of it
#   lock       56 packages of an "@EXPLICIT" file, Python among them, over a known runtime: from .conda, from .tar.bz2, and
#              unchanged; beside py-rattler with tar and zstd of what it installs. py-rattler compiles no byte code: rows
#              without it are what compares
#   app        testdata/apps/weather, nothing cached, and with one line of conda-requirements.txt changed: beside the old
#              buildpack's sequence of commands in `buildah bud`
# The stand-in's conda is py-rattler, which is many times as fast as conda 4.5 was. On request, where its source and a
# CPython 3.7 are (real_conda.py says more; neither is part of this repository):
#   real       `app` with the real conda 4.5.12 and packages for Python 3.7: CONDA_SOURCE is a checkout of conda's source at
#              the tag 4.5.12, PYTHON37 a prefix with bin/python3.7
#   benchmarks/conda.sh [RUNS] [PART...]
set -euo pipefail
. "$(dirname "$0")/demo_app.sh"
runs=${1:-3}
[ $# -gt 0 ] && shift
parts=${*:-installer lock app}
conda_port=$((port + 2))
url=http://127.0.0.1:$conda_port
old=Miniconda3-4.5.12
case " $parts " in *" real "*)
  if [ ! -e "${CONDA_SOURCE:-}/conda/__init__.py" ] || [ ! -x "${PYTHON37:-}/bin/python3.7" ]; then
    echo "conda.sh: for the part 'real' set CONDA_SOURCE (a checkout of conda's source, tag 4.5.12) and PYTHON37 (a prefix with bin/python3.7)" >&2
    exit 2
  fi ;;
esac
standin=$(python3 "$root/benchmarks/conda_lab.py" make "$lab/conda" "$url")
work=$lab/conda/work
rm -rf "$work" && mkdir -p "$work"
# Deleting many files makes ext4 slow at creating files after it, so what a run left is moved, and deleted at the end.
aside() { # aside PATH...: the command that takes them out of the way
  echo "mkdir -p '$work/trash'; for one in$(printf " '%s'" "$@"); do [ ! -e \"\$one\" ] || mv \"\$one\" '$work/trash/'\$(date +%s%N); done"
}
if [ ! -d "$lab/conda/index" ]; then # what pip adds, and the uv that a build fetches
  python3 -m pip download --quiet --no-deps -d "$lab/conda/index.part" pyfiglet==1.0.2
  ln "$lab"/wheels/uv-*.whl "$lab/conda/index.part"
  mv "$lab/conda/index.part" "$lab/conda/index"
fi
ls "$lab"/conda/index/pyfiglet-0.8* >/dev/null 2>&1 || # the last one for Python 3.7
  python3 -m pip download --quiet --no-deps -d "$lab/conda/index" pyfiglet==0.8.post1
kill "$server" # the index of the demo app
python3 "$root/benchmarks/simple_index.py" "$lab/conda/index" "$port" &
server=$!
python3 -m http.server --bind 127.0.0.1 --directory "$lab/conda" "$conda_port" >/dev/null 2>&1 &
trap 'kill $server '$! EXIT
if [ ! -d "$lab/conda/base" ]; then # the installer unpacks with bzip2
  echo "making the base image" >&2
  mmdebstrap --quiet --variant=minbase --include=python3,ca-certificates,bzip2,curl bookworm "$work/base.tar"
  mkdir "$work/rootfs" && tar -C "$work/rootfs" --exclude='./dev/*' -xf "$work/base.tar"
  "$program" layer "$work/rootfs" -o "oci:$lab/conda/base:latest" >/dev/null
  rm -rf "$work/rootfs" "$work/base.tar"
fi

use() { # use DIRECTORY: the installers and the channel that are there, served
  installer=$1/installers/miniconda/$old-Linux-x86_64.sh
  sources=$url/$(basename "$1")
  printf 'default_channels:\n  - %s/channel\n' "$sources" >"$work/condarc"
  export DASH_BUILD_CONDA_BASE_URL=$sources/installers DASH_BUILD_CONDARC=$work/condarc
  export DASH_BUILD_CONDA_INSTALLERS="$old=$(sha256sum "$installer" | cut -d' ' -f1)"
}
ours() { # ours STORE APP [OPTIONS]: the command of a build
  echo "env -u PIP_FIND_LINKS DASH_BUILD_HOME='$1' PIP_INDEX_URL=$index '$program' build '$2' --base oci:$lab/conda/base:latest --progress quiet -t app ${*:3}"
}
make_app() { # make_app NAME [REQUIREMENTS]
  mkdir -p "$work/$1"
  echo "$old" >"$work/$1/conda-runtime.txt"
  echo "web: python -m http.server" >"$work/$1/Procfile"
  [ $# -lt 2 ] || cp "$2" "$work/$1/conda-requirements.txt"
}
again() { echo "$(aside "$work/store"); cp -al '$work/$1' '$work/store'"; }
packed="tar -cf - . | zstd -q -3 -T2 -o '$work/out.tar.zst'"
without="--no-compile-bytecode"

whole_app() { # whole_app APP: its directory
  eval "$(aside "$work/old" "$work/changed" "$work/kept")"
  mkdir -p "$work/old"
  cp -r "$1/." "$work/old"
  cp -r "$work/old" "$work/changed"
  cp "$work/condarc" "$work/old/machine-condarc"
  cat >"$work/old/Dockerfile" <<D
ARG BASE
FROM \${BASE}
ENV PATH=/app/.heroku/miniconda/bin:/usr/bin:/bin PIP_INDEX_URL=$index PIP_DISABLE_PIP_VERSION_CHECK=1 HOME=/root
COPY machine-condarc /etc/conda/.condarc
WORKDIR /app
COPY conda-runtime.txt ./
RUN curl -fsSo /tmp/i.sh $sources/installers/miniconda/$old-Linux-x86_64.sh && bash /tmp/i.sh -p /app/.heroku/miniconda -b && rm /tmp/i.sh && \\
  echo "conda ==4.5.12" >.heroku/miniconda/conda-meta/pinned && conda config --set auto_update_conda False && \\
  conda install -v --no-update-deps pip --yes
COPY conda-requirements.txt requirements.txt ./
RUN conda install -v --no-update-deps --file conda-requirements.txt --yes && \\
  pip install -r requirements.txt --exists-action=w && conda clean -pt --yes
COPY . ./
D
  row dash-build "$lab/out" "$(aside "$work/store" "$lab/out")" \
    "$(ours "$work/store" "$1" -o "oci:$lab/out:latest")"
  bud="buildah $store bud -q --isolation chroot --network host $limits --build-arg BASE=oci:$lab/conda/base:latest -f '$work/old/Dockerfile' -t app"
  row "buildpack, buildah bud" "$lab/out" \
    "$no_images; $(aside "$lab/out")" \
    "$bud --no-cache '$work/old' && buildah $store push -q --disable-compression=false app oci:$lab/out:latest"
  measure "conda-$part" "$runs"
  echo "== one line changed"
  eval "$(ours "$work/kept" "$1")" >/dev/null
  change="sed -i \"s/six==.*/six==1.17.0  # \$(date +%s%N)/\""
  cp -r "$1/." "$work/changed"
  eval "$bud --layers '$work/old'" >/dev/null 2>&1 # keeps its layers
  row dash-build "" "$(again kept); $change '$work/changed/conda-requirements.txt'" "$(ours "$work/store" "$work/changed")"
  row "buildpack, buildah bud" "" "$change '$work/old/conda-requirements.txt'" "$bud --layers '$work/old'"
}

for part in $parts; do
  use "$standin"
  echo "== $part"
  case $part in
    installer)
      mkdir -p "$work/plain" && echo "web: python3 -m http.server" >"$work/plain/Procfile" && touch "$work/plain/requirements.txt"
      eval "$(ours "$work/with-base" "$work/plain")" >/dev/null
      make_app runtime
      row "read, no byte code" "" "$(again with-base)" "$(ours "$work/store" "$work/runtime" $without)"
      row "read" "" "$(again with-base)" "$(ours "$work/store" "$work/runtime")"
      row "run" "" "$(aside "$work/prefix")" "bash '$installer' -b -p '$work/prefix' >/dev/null"
      row "run, tar, zstd" "" "$(aside "$work/prefix" "$work/out.tar.zst")" \
        "bash '$installer' -b -p '$work/prefix' >/dev/null && rm -rf '$work/prefix/pkgs' && cd '$work/prefix' && $packed" ;;
    lock)
      make_app runtime
      for options in "" "$without"; do eval "$(ours "$work/with-runtime" "$work/runtime" $options)" >/dev/null; done
      for kind in conda tar.bz2; do
        make_app "$kind" "$lab/conda/fifty/$kind.lock"
        row ".$kind, no byte code" "" "$(again with-runtime)" "$(ours "$work/store" "$work/$kind" $without)"
        row ".$kind" "" "$(again with-runtime)" "$(ours "$work/store" "$work/$kind")"
        row "py-rattler .$kind, tar, zstd" "" "$(aside "$work/prefix" "$work/cache" "$work/out.tar.zst")" \
          "python3 '$root/benchmarks/conda_lab.py' install '$lab/conda/fifty/$kind.lock' '$work/prefix' '$work/cache' '$lab/conda' && cd '$work/prefix' && $packed"
      done
      cp -al "$work/with-runtime" "$work/with-all"
      eval "$(ours "$work/with-all" "$work/conda")" >/dev/null
      row "unchanged" "" "find '$work/conda' -type f -exec touch {} +" "$(ours "$work/with-all" "$work/conda")" ;;
    app) whole_app "$root/testdata/apps/weather" ;;
    real)
      use "$(python3 "$root/benchmarks/real_conda.py" make "$lab/conda" "$CONDA_SOURCE" "$PYTHON37")"
      cp -r "$root/testdata/apps/weather" "$work/weather37"
      sed -i 's/^dash==.*/dash==2.15.0/; s/^gunicorn==.*/gunicorn==20.1.0/' "$work/weather37/conda-requirements.txt"
      sed -i 's/^pyfiglet==.*/pyfiglet==0.8.post1/' "$work/weather37/requirements.txt"
      sed -i '0,/^import/s//from __future__ import annotations\n\nimport/' "$work/weather37/app.py"
      whole_app "$work/weather37" ;;
  esac
  measure "conda-$part" "$runs"
done
eval "$no_images"
rm -rf "$work" "$lab/out" "$lab/containers"
