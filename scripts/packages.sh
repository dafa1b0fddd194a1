# Debian packages that this project needs, by purpose, and how to install them. Sourced by the other scripts.

BUILD_PACKAGES="g++ cmake ninja-build ccache pkg-config git
  libarchive-dev libssl-dev libzstd-dev libcurl4-openssl-dev libdeflate-dev zlib1g-dev libbz2-dev
  nlohmann-json3-dev libboost-filesystem-dev libtomlplusplus-dev libcli11-dev catch2"
RUN_PACKAGES="crun mmdebstrap python3 python3-pip ca-certificates"
SERVE_PACKAGES="containerd runc curl"
TEST_PACKAGES="skopeo docker-registry openssl buildah umoci zstd gnupg procps zsh fish clang clang-format clang-tidy libclang-rt-14-dev"

# install_packages NAME...: installs what is missing; one apt-get update when anything is.
install_packages() {
  local missing=() name
  for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "these packages are missing; run as root, or install them first: ${missing[*]}" >&2
    return 1
  fi
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
