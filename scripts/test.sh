#!/usr/bin/env bash
# Runs the tests by group: `test.sh all|static|rust|python|browser|wheel|demo`. `scripts/setup.sh test` comes first.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/steps.sh
source scripts/steps.sh
export PATH="$ONSTAGE_CACHE/tools/bin:$ONSTAGE_CACHE/cargo/bin:$PATH"

static() {
  step "format of Rust" cargo fmt --all --check
  step "format of Python" ruff format --check python templates examples scripts bench
  step "lints of Python" ruff check python templates examples scripts bench
  step "types of Python" mypy --config-file python/pyproject.toml python/onstage
  step "page: types, lints, format, unit tests, size" bash -c "npm --prefix ui run --silent build && npm --prefix ui run --silent check"
  step "licenses, bans and sources of dependencies" cargo deny --locked check bans licenses sources
  step "lints of Rust" cargo clippy --locked --workspace --all-targets -- -D warnings
}

rust() {
  scripts/build.sh dev
  loud "Rust tests" cargo nextest run --locked --workspace --no-fail-fast
}

python() {
  loud "Python tests" python3 -m pytest -q python/tests
  # `scripts/setup.sh` has said so when there is none.
  if [ -n "${CI:-}" ] || [ -x "$ONSTAGE_CACHE/torch/bin/python" ]; then
    loud "tests of model templates" "$ONSTAGE_CACHE/torch/bin/python" -m pytest -q templates/tests \
      "python/tests/test_template.py::test_numeric_libraries_work_after_a_fork[torch]"
  fi
}

browser() {
  scripts/build.sh dev
  loud "the page in a browser" python3 scripts/browser.py --binary "$CARGO_TARGET_DIR/debug/onstage" --s3-emulator "$CARGO_TARGET_DIR/debug/onstage-s3-emulator"
}

wheel() {
  scripts/build.sh release
  loud "wheel and quickstart" python3 scripts/wheel.py
}

demo() {
  loud "make demo CHECK=1" make --no-print-directory demo CHECK=1
}

case "${1:-all}" in
  all)
    static
    python
    rust
    browser
    demo
    wheel
    printf '\nall green\n'
    ;;
  static | rust | python | browser | wheel | demo) "$1" ;;
  *) echo "error: unknown group \`$1\`" >&2; exit 2 ;;
esac
