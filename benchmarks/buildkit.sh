# Sourced: a buildkitd of its own in $lab/buildkit, on the host's network. Start it before it is measured, stop it after.
buildkit_address=unix://$lab/buildkit/socket
buildkit_pid=$lab/buildkit/pid
buildctl="$peers/buildctl --addr $buildkit_address"
start_buildkit() {
  mkdir -p "$lab/buildkit"
  cat >"$lab/buildkit/config.toml" <<TOML
root = "$lab/buildkit/root"
[grpc]
  address = ["$buildkit_address"]
[worker.oci]
  enabled = true
  snapshotter = "overlayfs"
  networkMode = "host"
  binary = "$(command -v runc)"
  gc = false
[worker.containerd]
  enabled = false
TOML
  "$peers/buildkitd" --config "$lab/buildkit/config.toml" >"$lab/buildkit/log" 2>&1 &
  echo $! >"$buildkit_pid"
  for _ in $(seq 100); do
    $buildctl debug workers >/dev/null 2>&1 && return
    sleep 0.1
  done
  cat "$lab/buildkit/log" >&2
  return 1
}
stop_buildkit() {
  kill "$(cat "$buildkit_pid")"
  wait "$(cat "$buildkit_pid")" || true
  rm -rf "$lab/buildkit"
}
