#!/usr/bin/env bash
# Builds the page, then the binary with the page and the Python SDK inside. `build.sh [release|dev]`.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
source scripts/steps.sh

# The page is built again only when one of its sources is newer than the last build.
if [ ! -e ui/dist/index.html ] || [ -n "$(find ui/src ui/index.html ui/package-lock.json ui/vite.config.* -newer ui/dist/index.html -print -quit)" ]; then
  step "building the page" npm --prefix ui run --silent build
  touch ui/dist/index.html
fi
case "${1:-release}" in
  release) step "building the binary (minutes the first time)" cargo build --locked --release -p onstage ;;
  dev) step "building the binary for tests" cargo build --locked -p onstage -p onstage-s3-emulator ;;
esac
