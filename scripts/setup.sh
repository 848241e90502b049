#!/usr/bin/env bash
# Installs what is missing, for `build` (the demo), `bench` or `test` (everything). Safe to run again; then it takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
source scripts/steps.sh

need_tool() { # need_tool COMMAND WHERE-FROM
  command -v "$1" >/dev/null || { echo "error: \`$1\` is missing; install $2 and try again" >&2; exit 1; }
}

# Debian packages, when there is an apt and we may use it; otherwise the names of what to install.
debian() {
  local missing=()
  for package in "$@"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "error: please install: ${missing[*]}" >&2
    exit 1
  fi
  step "installing ${missing[*]}" bash -c "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends ${missing[*]}"
}

# The same for packages that would start a service of the system, which tests do not use: they start their own.
debian_idle() {
  local policy=/usr/sbin/policy-rc.d
  if [ "$(id -u)" != 0 ] || [ -e "$policy" ]; then
    debian "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
  local code=0
  debian "$@" || code=$?
  rm -f "$policy"
  return $code
}

page_modules() {
  local stamp=ui/node_modules/.onstage-stamp
  if ! cmp -s ui/package-lock.json "$stamp"; then
    step "installing the page's packages" npm --prefix ui ci --no-audit --no-fund
    cp ui/package-lock.json "$stamp"
  fi
}

# Python tools (ruff, mypy, pytest, maturin, uv) in an environment of their own.
python_tools() {
  local tools="$ONSTAGE_CACHE/tools"
  if ! cmp -s python/requirements-test.txt "$tools/.onstage-stamp"; then
    rm -rf "$tools"
    step "installing Python test tools" bash -c "python3 -m venv '$tools' && '$tools/bin/pip' install -q -r python/requirements-test.txt"
    cp python/requirements-test.txt "$tools/.onstage-stamp"
  fi
}

# A Python with PyTorch for model templates: Debian's, and what its tests need beside. Where apt cannot install it the tests that
# need it are skipped, but not in CI.
torch_python() {
  local torch="$ONSTAGE_CACHE/torch"
  if cmp -s python/requirements-torch.txt "$torch/.onstage-stamp" && "$torch/bin/python" -c 'import torch' 2>/dev/null; then
    return 0
  fi
  if ! /usr/bin/python3 -c 'import torch, venv, ensurepip' 2>/dev/null; then
    if [ -z "${CI:-}" ] && { ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; }; then
      echo "skipped: no PyTorch for the tests of model templates; install python3-torch and python3-venv for them" >&2
      return 0
    fi
    debian python3-torch python3-venv
  fi
  rm -rf "$torch"
  step "making a Python with PyTorch" bash -c "/usr/bin/python3 -m venv --system-site-packages '$torch' && '$torch/bin/pip' install -q -r python/requirements-torch.txt"
  cp python/requirements-torch.txt "$torch/.onstage-stamp"
}

cargo_tool() { # cargo_tool NAME VERSION
  command -v "$1" >/dev/null || [ -x "$ONSTAGE_CACHE/cargo/bin/$1" ] ||
    step "building $1 (once)" env CARGO_TARGET_DIR="$ONSTAGE_CACHE/tools-target" cargo install --locked --root "$ONSTAGE_CACHE/cargo" "$1" --version "$2"
}

need_tool cargo "Rust 1.95 or newer"
need_tool python3 "Python 3.9 or newer"
need_tool node "Node 20 or newer"
need_tool npm "npm"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || { echo "error: python3 is older than 3.9" >&2; exit 1; }
python3 -c 'import venv, ensurepip' 2>/dev/null || debian python3-venv
command -v cc >/dev/null || debian build-essential
page_modules
case "${1:-build}" in
  build) exit 0 ;;
  bench) debian wrk valgrind; exit 0 ;;
esac

debian chromium openssl faketime
debian_idle postgresql mariadb-server-core mariadb-client-core nginx-light
python_tools
torch_python
cargo_tool cargo-nextest 0.9.143
cargo_tool cargo-deny 0.20.2
