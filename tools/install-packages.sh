#!/bin/sh
# install-packages.sh - installs what tools/packages.txt names and this machine lacks; does nothing when nothing is missing.
#   install-packages.sh           show the missing packages and install them
#   install-packages.sh --check   show them only; exit status 1 when there are any
# PACKAGES=FILE in the environment names another list.
set -eu
list=${PACKAGES:-$(dirname "$0")/packages.txt}

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "ringfolk: this is no Debian system; tools/packages.txt names what is needed. Going on with what is here."
    exit 0
fi

missing=
for package in $(sed 's/#.*//' "$list"); do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Missing packages:$missing"
if [ "${1-}" = --check ]; then
    echo "ringfolk: packages are missing: run make deps to install them" >&2
    exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1; then
    sudo=sudo
else
    echo "ringfolk: cannot install packages: not root, and there is no sudo. As root, run:" >&2
    echo "    apt-get update && apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi

apt() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}
echo "Installing them."
apt update -q
# shellcheck disable=SC2086 # a list of names
apt install -q -y --no-install-recommends $missing
