#!/bin/bash
# Installs the project, editable, with one set of extras into a virtual environment, made first where there is none.
#
#   install.sh PYTHON VENV EXTRA      for example: install.sh python3 .venv demo
set -euo pipefail
python=$1 venv=$2 extra=$3
cd "$(dirname "$0")/.."

die() {
  echo "$*" >&2
  exit 1
}

check_version() {
  command -v "$python" >/dev/null || die "There is no $python. Install Python 3.11 or newer, or say where it is: make PYTHON=/path/to/python3"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$("$python" --version) is too old: Python 3.11 or newer is needed. Say where it is: make PYTHON=/path/to/python3.11"
}

# Debian and its kin leave parts of the standard library to packages of their own.
can_make_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

provide_venv() {
  local package
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing the Debian package $package."
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install "$package" >/dev/null; } || true
  fi
  can_make_venv ||
    die "$python cannot make virtual environments. On Debian and Ubuntu: sudo apt-get install $package"
}

make_venv() {
  check_version
  can_make_venv || provide_venv
  echo "Making $venv with $("$python" --version)."
  "$python" -m venv --clear "$venv"
}

# An interrupted start leaves one without pip; a moved one does not run at all.
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
echo "Installing the project and its $extra extra into $venv."
HATCH_JUPYTER_BUILDER_SKIP_NPM=1 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extra]"
# JupyterLab follows the link to whatever `make test` or scripts/front_end.py builds.
mkdir -p "$venv/share/jupyter/labextensions"
ln -sfn ../../../../build/labextension "$venv/share/jupyter/labextensions/jupyter-containeriter"
