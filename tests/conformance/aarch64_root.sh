#!/bin/sh
# aarch64_root.sh FOLDER: an aarch64 Linux in FOLDER, as far as a bare Python needs one, of Debian's packages.
#
# It comes from the sources that this machine's apt has, and nothing is installed. `make conformance` then runs the device
# there: apt-get install qemu-user; METALSCI_AARCH64_ROOT=FOLDER make conformance.
set -eu
root=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
: > "$work/status"
apt="apt-get -qq -o Dir::State=$work -o Dir::State::lists=$work/lists -o Dir::State::status=$work/status
  -o Dir::Cache=$work/cache -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o APT::Sandbox::User=root"
$apt update
cd "$work"
# What `python3-minimal` of this Debian comes to, without what a running system needs besides.
python=$($apt install --no-install-recommends --simulate python3 | sed -n 's/^Inst \(python3\.[0-9]*-minimal\) .*/\1/p')
version=${python%-minimal}
$apt download libc6 libgcc-s1 zlib1g libexpat1 libffi8 "$python" "lib$version-minimal" "lib$version-stdlib"
for package in *.deb; do dpkg -x "$package" "$root"; done
ln -sf "$version" "$root/usr/bin/python3"
