#!/usr/bin/env bash
# Fresh random Qwen2.5-VL checkpoints, read and written both ways between transformers, peft and ours: tools/qwen/parity.py.
# Where Python or a package index is missing it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
venv=.venv-ci

skip() {
  echo "skipped qwen: $1"
  exit 0
}

command -v timeout >/dev/null || skip "there is no timeout command"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || skip "there is no Python 3.11 or newer"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" >/dev/null 2>&1 || skip "Python cannot make a virtual environment"

install() { # install SECONDS REQUIREMENTS : quietly, once
  local stamp=$venv/qwen-$(basename "$2").installed
  cmp -s "$2" "$stamp" && return 0
  timeout "$1" "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 --only-binary=:all: \
    --no-deps --no-compile -r "$2" >"$venv/pip-qwen.log" 2>&1 && cp "$2" "$stamp"
}

install 210 conformance/requirements-torch.txt || skip "no CPU build of torch from the package index"
install 60 tools/qwen/requirements.txt || skip "the package index does not have, or not answer for, peft"
[ -e packages/stablereinforce/dist/node/index.js ] || npm run --silent build >/dev/null || exit 1

seed=$(date +%j) # another one every day, the same within a day
timeout 300 "$venv/bin/python" tools/qwen/parity.py --seed "$((10#$seed))" --rounds 6 2>"$venv/qwen.log"
status=$?
[ "$status" -eq 0 ] || tail -n 40 "$venv/qwen.log"
[ "$status" -ne 124 ] || echo "FAILED  qwen: more than five minutes"
exit "$status"
