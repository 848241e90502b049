# Runs long steps with a name, a clock and a log; shows the log's end when a step fails. Sourced, not run.

ONSTAGE_CACHE="${ONSTAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/onstage}"
export ONSTAGE_CACHE CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$ONSTAGE_CACHE/target}"
STEP_LOGS="$ONSTAGE_CACHE/logs"
mkdir -p "$STEP_LOGS"

# step NAME COMMAND…: quiet when it works, its last lines when it does not.
step() {
  local name="$1" log started pid last code=0
  shift
  log="$STEP_LOGS/$(tr -c 'a-z0-9\n' '-' <<<"${name,,}").log"
  started=$SECONDS
  if [ -t 1 ]; then
    "$@" >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
      last=$(tail -c 400 "$log" | tr '\r' '\n' | grep -v '^ *$' | tail -n 1 | cut -c1-70 || true)
      printf '\r\033[K  … %s, %d s  \033[2m%s\033[0m' "$name" $((SECONDS - started)) "$last"
      sleep 0.3
    done
    wait "$pid" || code=$?
  else
    printf '  … %s\n' "$name"
    "$@" >"$log" 2>&1 || code=$?
  fi
  [ -t 1 ] && printf '\r\033[K'
  if [ $code -eq 0 ]; then
    printf '  ✓ %s (%d s)\n' "$name" $((SECONDS - started))
  else
    printf '  ✗ %s (%d s)\n\n' "$name" $((SECONDS - started))
    tail -n "${STEP_TAIL:-80}" "$log"
    printf '\nthe whole log: %s\n' "$log"
    return $code
  fi
}

# loud NAME COMMAND…: for test runners, whose closing lines people and machines want to see.
loud() {
  local name="$1" started=$SECONDS
  shift
  printf '\n── %s\n' "$name"
  "$@" || { local code=$?; printf '  ✗ %s failed (%d s)\n' "$name" $((SECONDS - started)); return $code; }
  printf '  ✓ %s (%d s)\n' "$name" $((SECONDS - started))
}
