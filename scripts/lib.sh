# What the scripts share. Sourced by them, never run.
#
# Gives: $root (the checkout), say, warn, fail, bounded, and
# enter_environment, which every script that runs Python calls first.
# shellcheck shell=bash
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
peers=$root/.venv-peers

say() { printf '%s\n' "$*" >&2; }
warn() { printf 'WARNING: %s\n' "$*" >&2; }
fail() {
  printf 'ERROR: %s\n' "$*" >&2
  exit 1
}

# bounded SECONDS COMMAND...: runs a command that may hang on a dead network.
bounded() {
  local seconds=$1
  shift
  if command -v timeout >/dev/null; then
    timeout --kill-after=10 "$seconds" "$@"
  else
    "$@"
  fi
}

# Byte code is kept outside the sources. Home Assistant starts three times as
# slowly without it, and some machines switch it off for every Python.
enter_environment() {
  unset PYTHONDONTWRITEBYTECODE PYTHONHOME PYTHONPATH
  export PYTHONPYCACHEPREFIX=$root/.cache/pyc
  export VIRTUAL_ENV=$venv
  export PATH=$venv/bin:$PATH
  cd -- "$root"
}
