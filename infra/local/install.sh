#!/usr/bin/env bash
# Installs Debian packages without starting the services in them: install.sh PACKAGE...
# Does nothing for a package that is installed; says what to do where we may not install.
set -euo pipefail

missing=()
for package in "$@"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}; this machine has no apt-get, so install them by its own means" >&2
    exit 1
fi
if [[ "$(id -u)" -ne 0 ]]; then
    echo "missing: ${missing[*]}; run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi

policy=/usr/sbin/policy-rc.d # what the packages' scripts ask before they start a service
if [[ ! -e "$policy" ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing ${missing[*]}" >&2
install_missing() { apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; }
install_missing || { apt-get update -qq >&2 && install_missing; }
