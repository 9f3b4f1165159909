#!/usr/bin/env bash
# Builds @tensorflow/tfjs-node 4.22.0 against the libtensorflow that is inside a TensorFlow wheel from PyPI.
#
#   tools/tfjs-node/build.sh                        CPU, into .cache/tfjs-node
#   TF_WHEEL=tensorflow==2.15.1 tools/tfjs-node/build.sh     the wheel with CUDA 12 kernels (see docs/guide/tfjs-node-gpu.md)
#   node tools/tfjs-node/check.mjs                  loads it, runs ops, gradients and a small training
#
# The package's own install script downloads libtensorflow 2.9.1 (CUDA 11.2) from a storage bucket. This route needs
# the npm and PyPI registries only. Where something is missing it says so, prints "skipped" and exits with 0, so that
# it can stand in a script; any failure after that is an error.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
cache=${TFJS_NODE_CACHE:-$root/.cache/tfjs-node}
wheel=${TF_WHEEL:-tensorflow-cpu==2.15.1}
nodedir=${npm_config_nodedir:-/usr}
version=4.22.0

skip() {
  echo "skipped: $1"
  exit 0
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || skip "this recipe is for Linux on x86-64, here is $(uname -s) on $(uname -m)"
for program in g++ make python3 npm node; do
  command -v "$program" >/dev/null || skip "$program is not installed"
done
[ -f "$nodedir/include/node/node_api.h" ] ||
  skip "no Node headers in $nodedir/include/node (Debian: libnode-dev; or unpack node-v*-headers.tar.gz and set npm_config_nodedir)"
python3 -m pip --version >/dev/null 2>&1 || skip "python3 has no pip (Debian: python3-pip)"

mkdir -p "$cache/wheel" "$cache/app"
free_kb=$(df -Pk "$cache" | awk 'NR == 2 { print $4 }')
[ "$free_kb" -gt 2500000 ] || skip "needs 2.5 GB in $cache, there are $((free_kb / 1024)) MB"

if [ "$(cat "$cache/tensorflow/.wheel" 2>/dev/null)" != "$wheel" ]; then
  rm -rf "$cache/tensorflow" "$cache"/wheel/*
  python3 -m pip download --quiet --no-deps --dest "$cache/wheel" "$wheel" ||
    skip "pip cannot download $wheel for $(python3 --version)"
  python3 - "$cache" <<'PYTHON'
import glob, shutil, sys, zipfile

cache = sys.argv[1]
wanted = ("tensorflow/include/", "tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2")
with zipfile.ZipFile(glob.glob(f"{cache}/wheel/*.whl")[0]) as wheel:
    for name in wheel.namelist():
        if name.startswith(wanted) and not name.startswith("tensorflow/include/external/"):
            wheel.extract(name, cache)
PYTHON
  rm -f "$cache"/wheel/*
  [ -f "$cache/tensorflow/libtensorflow_cc.so.2" ] || skip "$wheel holds no libtensorflow_cc.so.2"
  echo "$wheel" >"$cache/tensorflow/.wheel"
fi

app=$cache/app
package=$app/node_modules/@tensorflow/tfjs-node
if [ ! -f "$package/package.json" ]; then
  echo '{ "private": true }' >"$app/package.json"
  (cd "$app" && npm install --silent --ignore-scripts --no-audit --no-fund "@tensorflow/tfjs-node@$version") ||
    skip "npm cannot install @tensorflow/tfjs-node@$version"
fi

lib=$package/deps/lib
mkdir -p "$lib"
ln -sfn "$cache/tensorflow/include" "$package/deps/include"
ln -sfn "$cache/tensorflow/libtensorflow_cc.so.2" "$lib/libtensorflow_cc.so.2"
ln -sfn "$cache/tensorflow/libtensorflow_framework.so.2" "$lib/libtensorflow_framework.so.2"
ln -sfn libtensorflow_cc.so.2 "$lib/libtensorflow.so"
ln -sfn libtensorflow_framework.so.2 "$lib/libtensorflow_framework.so"
# The install script takes this name, whatever is behind it, as "the library is here already".
ln -sfn libtensorflow_cc.so.2 "$lib/libtensorflow.so.2.9.1"

gyp_bin=$(npm root -g)/npm/node_modules/node-gyp/bin
[ -f "$gyp_bin/node-gyp.js" ] || skip "npm brings no node-gyp here ($gyp_bin)"
log=$cache/build.log
if ! (
  cd "$package"
  mkdir -p "$cache/bin"
  ln -sfn "$gyp_bin/node-gyp.js" "$cache/bin/node-gyp"
  PATH="$app/node_modules/.bin:$cache/bin:$PATH" npm_config_nodedir=$nodedir npm_config_build_from_source=true \
    node scripts/install.js >"$log" 2>&1
) || ! ls "$package"/lib/napi-v*/tfjs_binding.node >/dev/null 2>&1; then
  tail -n 30 "$log" >&2
  echo "failed: the binding did not build; the whole log is $log" >&2
  exit 1
fi
echo "built: $(ls "$package"/lib/napi-v*/tfjs_binding.node) on $wheel"
