# shellcheck shell=bash
# What scripts in extra/ that need Python have in common. At the root of the repository: name=SCRIPT; . .ci/python.sh
# Makes a virtual environment, $venv. What cannot be had ends the script with a line "skipped SCRIPT: why" and status 0.
: "${name:?}"
venv=.venv-ci

skip() { # skip WHY
  echo "skipped $name: $1"
  exit 0
}

pip() { # pip SECONDS ARGUMENT… : installs quietly
  timeout "$1" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 "${@:2}" \
    >"$venv/pip-$name.log" 2>&1
}

install() { # install SECONDS REQUIREMENTS : all of a file with pinned versions, once for all scripts
  local stamp=$venv/${2//\//-}.installed
  cmp -s "$2" "$stamp" && return 0
  pip "$1" --only-binary=:all: --no-deps --no-compile -r "$2" && cp "$2" "$stamp"
}

built() { # built FILE… : the packages' builds, made where one is missing
  local file
  for file in "$@"; do
    [ -e "$file" ] || npm run --silent build >/dev/null || exit 1
  done
}

command -v timeout >/dev/null || skip "there is no timeout command"
"${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || skip "there is no Python 3.11 or newer"
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv" >/dev/null 2>&1 || skip "Python cannot make a virtual environment"
