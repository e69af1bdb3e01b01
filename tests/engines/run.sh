#!/bin/bash
# Runs the contract suite against every kind of engine and image store, and writes the table in docs/engines.md.
#
#   run.sh [NAME:STORE | sandbox]...     all of them without arguments; see engine.sh for names and needs
#
# PYTEST_ADDOPTS selects: `-m load` for what needs no running containers, `-k stats` for one topic.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
python=${PYTHON:-.venv/bin/python}
[ -x "$python" ] || python=python3
engines=("$@")
[ $# -gt 0 ] || engines=(
  docker-bookworm:overlay2
  docker-trixie:overlay2 docker-trixie:containerd
  docker-sid:overlay2 docker-sid:containerd
  podman-bookworm:podman podman-sid:podman
  sandbox
)

current=()
stop_current() {
  [ ${#current[@]} -eq 0 ] || "$here/engine.sh" down "${current[@]}"
  current=()
}
trap stop_current EXIT
trap 'exit 130' INT TERM

# An engine that was started and does not answer is a failure, not a reason to skip.
export CI=true
results=build/engines/results
rm -rf "$results"
mkdir -p "$results"

# suite NAME KIND COMMAND...: the tests of one kind of engine, run by a command (nothing, or engine.sh exec)
suite() {
  local name=$1 kind=$2
  shift 2
  "$@" "$python" "$here/table.py" describe "$results/$name.json" &&
    "$@" "$python" -m pytest tests/contract -k "$kind" -q --junitxml "$results/$name.xml"
}

failed=()
for engine in "${engines[@]}"; do
  echo "== $engine"
  if [ "$engine" = sandbox ]; then
    suite sandbox sandbox || failed+=("$engine")
    continue
  fi
  IFS=: read -r -a current <<<"$engine"
  if address=$("$here/engine.sh" up "${current[@]}"); then
    DOCKER_HOST=$address suite "${engine/:/-}" docker "$here/engine.sh" exec "${current[@]}" || failed+=("$engine")
  else
    failed+=("$engine")
  fi
  stop_current
done
"$python" "$here/table.py" write "$results"
[ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
