#!/usr/bin/env bash
# Our event files, read by the real TensorBoard package. Without Python or a package index it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
venv=.venv-ci

skip() {
  echo "skipped tensorboard: $1"
  exit 0
}

command -v "$python" >/dev/null || skip "there is no $python"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" >/dev/null 2>&1 || skip "Python cannot make a virtual environment"
"$venv/bin/python" -c 'import tensorboard' 2>/dev/null ||
  timeout 170 "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 1 'tensorboard>=2.16' >/dev/null 2>&1 ||
  skip "the package index does not have, or not answer for, tensorboard"
[ -e packages/stablereinforce/dist/node/index.js ] || npm run --silent build >/dev/null || exit 1

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
timeout 60 node tools/tensorboard-sample.mjs "$folder" >"$folder/expected.json" || exit 1
timeout 60 "$venv/bin/python" tools/tensorboard-read.py "$folder" "$folder/expected.json"
