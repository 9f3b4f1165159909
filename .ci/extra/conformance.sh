#!/usr/bin/env bash
# The reward server against the frameworks' own client code, fetched at test time: docs/guide/conformance.md.
# One line per row: ok, FAILED or skipped. Exits 1 if one failed. Without Python or a package index all of it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
venv=.venv-ci

skip() {
  echo "skipped conformance: $1"
  exit 0
}

command -v timeout >/dev/null || skip "there is no timeout command"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || skip "there is no Python 3.11 or newer"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" >/dev/null 2>&1 || skip "Python cannot make a virtual environment"

install() { # install SECONDS REQUIREMENTS : quietly, once
  local stamp=$venv/$(basename "$2").installed
  cmp -s "$2" "$stamp" && return 0
  timeout "$1" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 --only-binary=:all: \
    --no-deps --no-compile -r "$2" >"$venv/pip.log" 2>&1 && cp "$2" "$stamp"
}

install 60 conformance/requirements.txt || skip "the package index does not have, or not answer for, what the clients import"
install 210 conformance/requirements-torch.txt || echo "note: no CPU build of torch: the rows that need tensors are skipped"

for entry in packages/core/dist/index.js packages/adapters/dist/serve/index.js; do
  [ -e "$entry" ] || npx turbo run build --filter=@r1reward/adapters >/dev/null || exit 1
done

# What is left of six minutes.
timeout $((350 - SECONDS)) "$venv/bin/python" conformance/run.py "$@" 2>"$venv/run.log"
status=$?
[ "$status" -eq 0 ] || tail -n 40 "$venv/run.log"
[ "$status" -ne 124 ] || echo "FAILED  conformance: more than six minutes"
exit "$status"
