#!/usr/bin/env bash
# Our event files, read by the real TensorBoard package. Without Python or a package index it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
name=tensorboard
. .ci/python.sh

"$venv/bin/python" -c 'import tensorboard' 2>/dev/null || pip 170 'tensorboard>=2.16' ||
  skip "the package index does not have, or not answer for, tensorboard"
built packages/stablereinforce/dist/node/index.js

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
timeout 60 node tools/tensorboard-sample.mjs "$folder" >"$folder/expected.json" || exit 1
timeout 60 "$venv/bin/python" tools/tensorboard-read.py "$folder" "$folder/expected.json"
