# Sourced by scripts/demo and scripts/test: install the Debian packages that are missing.
# Works as root or with sudo; says which packages it installs.

swage_build_packages=(gcc cmake ninja-build pkg-config libc6-dev libzstd-dev libxxhash-dev
  libcjson-dev libopenblas-dev libpcre2-dev libutf8proc-dev libhdf5-dev zlib1g-dev)
swage_test_packages=(check man-db)

install_missing() { # PACKAGE...
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local become=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "These Debian packages are missing and there is neither root nor sudo: ${missing[*]}" >&2
      return 1
    }
    become=(sudo)
  fi
  echo "Installing Debian packages: ${missing[*]}" >&2
  "${become[@]}" apt-get update -q >&2
  DEBIAN_FRONTEND=noninteractive "${become[@]}" apt-get install -y -q --no-install-recommends \
    "${missing[@]}" >&2
}
