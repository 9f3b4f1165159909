#!/usr/bin/env bash
# Fresh random Qwen2.5-VL checkpoints, read and written both ways between transformers, peft and ours: tools/qwen/parity.py. Then
# the judge that ships: what it writes about held-out scenes here and in transformers, asked by its own chat template.
# Where Python or a package index is missing it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
name=qwen
. .ci/python.sh

install 60 conformance/requirements.txt || skip "the package index does not have, or not answer for, numpy"
install 210 conformance/requirements-torch.txt || skip "no CPU build of torch from the package index"
install 60 tools/qwen/requirements.txt || skip "the package index does not have, or not answer for, peft"
built packages/stablereinforce/dist/node/index.js

seed=$(date +%j) # another one every day, the same within a day
timeout 300 "$venv/bin/python" tools/qwen/parity.py --seed "$((10#$seed))" --rounds 6 2>"$venv/qwen.log"
status=$?
[ "$status" -eq 0 ] || tail -n 40 "$venv/qwen.log"
[ "$status" -ne 124 ] || echo "FAILED  qwen: more than five minutes"
[ "$status" -eq 0 ] || exit "$status"

node tools/qwen/shipped.mjs >"$venv/shipped.jsonl" &&
  timeout 120 "$venv/bin/python" tools/qwen/shipped.py "$venv/shipped.jsonl" 2>"$venv/shipped.log" | sed 's/^\([0-9]* of\)/note qwen: the judge that ships, \1/'
status=${PIPESTATUS[0]}
[ "$status" -eq 0 ] || tail -n 40 "$venv/shipped.log"
exit "$status"
