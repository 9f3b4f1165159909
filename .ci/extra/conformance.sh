#!/usr/bin/env bash
# The reward server against the frameworks' own client code, fetched at test time: docs/guide/conformance.md.
# One line per row: ok, FAILED or skipped. Exits 1 if one failed. Without Python or a package index all of it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
name=conformance
. .ci/python.sh

install 60 conformance/requirements.txt || skip "the package index does not have, or not answer for, what the clients import"
install 210 conformance/requirements-torch.txt || echo "note: no CPU build of torch: the rows that need tensors are skipped"
built packages/core/dist/index.js packages/adapters/dist/serve/index.js

# What is left of six minutes.
timeout $((350 - SECONDS)) "$venv/bin/python" conformance/run.py "$@" 2>"$venv/run.log"
status=$?
[ "$status" -eq 0 ] || tail -n 40 "$venv/run.log"
[ "$status" -ne 124 ] || echo "FAILED  conformance: more than six minutes"
exit "$status"
