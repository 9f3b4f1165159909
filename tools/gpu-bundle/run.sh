#!/bin/sh
# Runs everything in this folder on the machine's GPU through Vulkan: ./run.sh [--quick] [--help]. Needs nothing but a Linux with glibc 2.28 and
# a Vulkan driver; no installation, no network. Writes results.json and prints a table.
case $0 in
  */*) here=${0%/*} ;;
  *) here=. ;;
esac
here=$(cd "$here" && pwd) || exit 1
# The machine's own Vulkan loader first; ours where it has none.
LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/lib/x86_64-linux-gnu:/usr/lib64:$here/lib
export LD_LIBRARY_PATH
exec "$here/node" --no-warnings "$here/app.mjs" "$@"
