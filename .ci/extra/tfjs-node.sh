#!/usr/bin/env bash
# tfjs-node on the libtensorflow of a TensorFlow wheel, built at test time: its ops, then this package's kernel contract, golden
# transformers and a training on it. Without compiler, Node headers, pip or registry it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."

note=$(timeout 300 tools/tfjs-node/build.sh)
status=$?
[ "$status" -ne 124 ] || { echo "skipped tfjs-node: not built within five minutes"; exit 0; }
echo "$note"
[ "$status" -eq 0 ] || exit 1
case $note in *skipped*) exit 0 ;; esac
timeout 120 node tools/tfjs-node/check.mjs && timeout 200 node tools/tfjs-node/check-package.mjs | sed 's/^kernel contract/note tfjs-node: kernel contract/'
