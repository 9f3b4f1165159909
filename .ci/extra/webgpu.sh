#!/usr/bin/env bash
# WebGPU on a software Vulkan driver, fetched at test time: the whole kernel contract, a short training and sampling against the CPU.
# Where the driver cannot be had it is skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."

note=$(tools/vulkan/fetch.sh) || exit 1
[ -e .cache/vulkan/env.sh ] || { echo "${note:-skipped vulkan: no driver}"; exit 0; }
# shellcheck disable=SC1091
. .cache/vulkan/env.sh
[ -e packages/stablereinforce/dist/testing/index.js ] || npm run --silent build >/dev/null || exit 1
timeout 400 node tools/vulkan/check.mjs | sed 's/^webgpu/note webgpu/'
