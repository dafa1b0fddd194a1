#!/usr/bin/env bash
# Runs kaniko where it must run: alone in a root file system, which it overwrites with the image's.
#   kaniko.sh prepare EXECUTOR ROOT
#   kaniko.sh run ROOT APP DOCKERFILE_DIRECTORY REGISTRY     within new mount and process namespaces
set -euo pipefail
case $1 in
  prepare)
    rm -rf "$3"
    mkdir -p "$3"/kaniko/.docker "$3"/{proc,dev,etc,tmp,app,dockerfile}
    cp "$2" "$3/kaniko/executor"
    cp /etc/resolv.conf /etc/hosts "$3/etc/"
    ;;
  run)
    mount --make-rprivate /
    mount -t proc proc "$2/proc"
    mount -t tmpfs tmpfs "$2/dev"
    for device in null zero random urandom full tty; do
      touch "$2/dev/$device"
      mount --bind "/dev/$device" "$2/dev/$device"
    done
    mkdir -p "$2/workspace"
    mount --bind "$3" "$2/workspace"
    mount --bind "$4" "$2/dockerfile"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DOCKER_CONFIG=/kaniko/.docker chroot "$2" /kaniko/executor --force \
      --verbosity warn --context dir:///workspace --dockerfile /dockerfile/Dockerfile --build-arg "BASE=$5/base:latest" \
      --insecure --insecure-pull --destination "$5/app:latest"
    ;;
esac
