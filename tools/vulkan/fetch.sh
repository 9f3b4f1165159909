#!/usr/bin/env bash
# Mesa's Vulkan driver for processors (lavapipe), so that WebGPU runs where there is no GPU. Nothing is installed and root is
# not needed: Debian packages are fetched and unpacked into .cache/vulkan.
#
#   tools/vulkan/fetch.sh && . .cache/vulkan/env.sh
#
# Mesa 23.1 is the oldest that ONNX Runtime's WebGPU accepts, so on Debian 12 the packages come from its backports. Where they
# cannot be had it says what is missing, prints "skipped" and exits with 0; then there is no env.sh.
set -uo pipefail
cd "$(dirname "$0")/../.."
cache=${VULKAN_CACHE:-$PWD/.cache/vulkan}

skip() {
  rm -f "$cache/env.sh"
  echo "skipped vulkan: $1"
  exit 0
}

[ -e "$cache/env.sh" ] && exit 0
[ "$(uname -s)" = Linux ] || skip "lavapipe comes as a Debian package, here is $(uname -s)"
for program in apt-get dpkg-deb timeout; do
  command -v "$program" >/dev/null || skip "$program is not installed"
done
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$codename" ] || skip "/etc/os-release names no release"
# The machine's own source of this release, wherever it is.
source=$(apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null |
  awk -v release="$codename" '$1 == "Packages" && $3 == release && $4 == "main" { print $2; exit }')
[ -n "$source" ] || skip "apt has no source for $codename main"

rm -rf "$cache"
mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial" "$cache/root"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] && signed="[signed-by=$keyring] " || signed=""
for suite in "$codename" "$codename-backports"; do
  echo "deb $signed$source $suite main"
done >"$cache/apt/sources.list"
apt() {
  timeout 240 apt-get -q -y -o "Dir::State::Lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt" \
    -o "Dir::Etc::SourceList=$cache/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Debug::NoLocking=1 \
    -o APT::Sandbox::User= -o Acquire::Retries=2 "$@" >>"$cache/apt/log" 2>&1
}
apt update || skip "apt cannot read the package lists of $codename: $(grep -m1 '^[EW]:' "$cache/apt/log")"
# Without the sandbox user and with its own cache, apt downloads what an installation would add to this system.
packages="mesa-vulkan-drivers libvulkan1"
# shellcheck disable=SC2086
apt --download-only --no-install-recommends -t "$codename-backports" install --reinstall $packages ||
  skip "apt cannot download $packages: $(grep -m1 '^E:' "$cache/apt/log")"
for package in "$cache"/apt/archives/*.deb; do
  dpkg-deb -x "$package" "$cache/root" || skip "$package cannot be unpacked"
done
driver=$(find "$cache/root" -name 'libvulkan_lvp.so' | head -n 1)
[ -n "$driver" ] || skip "mesa-vulkan-drivers of $codename holds no lavapipe"
printf '{ "file_format_version": "1.0.0", "ICD": { "library_path": "%s", "api_version": "1.4.305" } }\n' "$driver" >"$cache/lavapipe.json"
printf 'export VK_DRIVER_FILES=%q\nexport LD_LIBRARY_PATH=%q${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\n' \
  "$cache/lavapipe.json" "$(dirname "$driver")" >"$cache/env.sh"
rm -rf "$cache/apt"
echo "lavapipe: $driver"
