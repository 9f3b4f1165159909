#!/usr/bin/env bash
# Trains a small model in a real browser; says "skipped" where there is none.
set -euo pipefail
node examples/browser/serve.mjs --check
