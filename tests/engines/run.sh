#!/bin/bash
# Runs the engine contract suite against every kind of engine and image store.
#
#   run.sh [NAME:STORE]...     all of them without arguments; see engine.sh for names and needs
#
# PYTEST_ADDOPTS selects: `-m load` for what needs no running containers, `-k stats` for one topic.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=python3
engines=("$@")
[ $# -gt 0 ] || engines=(docker-sid:containerd docker-trixie:overlay2 podman-sid:podman)

current=()
stop_current() {
  [ ${#current[@]} -eq 0 ] || "$here/engine.sh" down "${current[@]}"
  current=()
}
trap stop_current EXIT
trap 'exit 130' INT TERM

failed=()
for engine in "${engines[@]}"; do
  echo "== $engine"
  IFS=: read -r -a current <<<"$engine"
  if address=$("$here/engine.sh" up "${current[@]}"); then
    # CI: an engine that was started and does not answer is a failure, not a reason to skip.
    (
      cd "$root"
      export CI=true DOCKER_HOST=$address
      "$here/engine.sh" exec "${current[@]}" "$python" -m pytest tests/contract -m engine -q
    ) || failed+=("$engine")
  else
    failed+=("$engine")
  fi
  stop_current
done
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
