# A containerd of our own, in a directory of our own, and containers in it. Sourced by demo.sh and the tests.
# Everything stops with `containerd_stop`; nothing is left behind outside of the directory.

# containerd_start DIR
containerd_start() {
  CONTAINERD_DIR=$1
  mkdir -p "$CONTAINERD_DIR"
  cat >"$CONTAINERD_DIR/config.toml" <<TOML
version = 2
root = "$CONTAINERD_DIR/root"
state = "$CONTAINERD_DIR/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$CONTAINERD_DIR/containerd.sock"
TOML
  containerd --config "$CONTAINERD_DIR/config.toml" >"$CONTAINERD_DIR/log" 2>&1 &
  CONTAINERD_PID=$!
  local i
  for i in $(seq 100); do
    containerd_ctr version >/dev/null 2>&1 && return 0
    kill -0 "$CONTAINERD_PID" 2>/dev/null || break
    sleep 0.1
  done
  echo "containerd did not start:" >&2
  tail -n 20 "$CONTAINERD_DIR/log" >&2
  return 1
}

containerd_ctr() { ctr --address "$CONTAINERD_DIR/containerd.sock" --namespace dash-build "$@"; }

# containerd_import FILE NAME: an oci-archive as an image of that name.
containerd_import() { containerd_ctr images import --base-name "${2%:*}" --digests=false "$1" >/dev/null; }

# containerd_run IMAGE NAME PORT: starts it in the background on the host's network.
containerd_run() {
  containerd_ctr run --detach --net-host --env "PORT=$3" --log-uri "file://$CONTAINERD_DIR/$2.log" "$1" "$2"
}

# containerd_exec NAME WORDS...: runs a command in a running container and prints its output.
containerd_exec() {
  local name=$1
  shift
  containerd_ctr tasks exec --exec-id "x$RANDOM$RANDOM" --user 32767:32767 "$name" "$@"
}

# containerd_page NAME PORT [PATH]: waits up to 60 s for the page and prints it.
containerd_page() {
  local i
  for i in $(seq 300); do
    curl -fsS --noproxy '*' "http://127.0.0.1:$2${3:-/}" 2>/dev/null && return 0
    containerd_ctr tasks list | grep -q "^$1 .*RUNNING" || break
    sleep 0.2
  done
  echo "the app in container $1 did not answer; its log:" >&2
  tail -n 30 "$CONTAINERD_DIR/$1.log" >&2
  return 1
}

containerd_remove() {
  containerd_ctr tasks kill --signal SIGKILL "$1" >/dev/null 2>&1
  local i
  for i in $(seq 50); do
    containerd_ctr tasks delete "$1" >/dev/null 2>&1 && break
    sleep 0.1
  done
  containerd_ctr containers delete "$1" >/dev/null 2>&1
  return 0
}

containerd_stop() {
  [ -n "${CONTAINERD_PID:-}" ] || return 0
  local name
  for name in $(containerd_ctr containers list -q 2>/dev/null); do containerd_remove "$name"; done
  kill "$CONTAINERD_PID" 2>/dev/null
  wait "$CONTAINERD_PID" 2>/dev/null
  CONTAINERD_PID=
  # Mounts of snapshots that a killed container left.
  local target
  for target in $(awk -v d="$CONTAINERD_DIR/" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r); do
    umount -l "$target" 2>/dev/null
  done
  return 0
}
