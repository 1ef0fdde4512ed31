#!/usr/bin/env bash
# Prints the name of an image that the Docker engine has.
#   choose.sh OFFICIAL OFFLINE   the official one if it is there or can be pulled; `none` is never.
#                                Else sightline-offline/OFFLINE, built by offline.sh where it is missing.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
pull_s=300
if [[ "$1" != none ]]; then
    if docker image inspect "$1" >/dev/null 2>&1 \
        || timeout "$pull_s" docker pull --quiet "$1" >/dev/null 2>&1; then
        echo "$1"
        exit
    fi
fi
"$here/offline.sh" "$2" && echo "sightline-offline/$2"
