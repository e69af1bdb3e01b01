#!/bin/bash
# Everything that must hold before a change is good: `make test`. Ends with pytest's summary.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin

trap 'scripts/prepare-tests.sh stop' EXIT
trap 'exit 130' INT TERM
scripts/prepare-tests.sh
"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/lint-imports"
# The JupyterLab extension: built where its sources changed, for the tests of wheels and of the browser.
"$bin/python" scripts/front_end.py
"$bin/python" scripts/front_end.py lint test
# A file of tests stays in one process: its tests share notebooks and images. In the order of the directories, so that the
# long ones come first and the many short ones fill up the processes in the end; three, since much is waiting.
"$bin/python" -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 30
