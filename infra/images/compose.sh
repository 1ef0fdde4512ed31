#!/usr/bin/env bash
# Runs Docker Compose, version 2, with the given arguments: the plugin of this machine, or the one of Debian 13, which
# runs on Debian 12 as well and is fetched once, into the user's cache folder, with the mirrors of this machine's apt.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
plugin="${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sightline/docker-compose"

if docker compose version >/dev/null 2>&1; then
    exec docker compose "$@"
fi
if [[ ! -x "$plugin" ]]; then
    "$here/offline.sh" compose:2.26 >&2
    mkdir -p "$(dirname "$plugin")"
    made="$(mktemp "$plugin.XXXXXX")"
    docker run --rm --entrypoint cat sightline-offline/compose:2.26 \
        /usr/libexec/docker/cli-plugins/docker-compose >"$made"
    chmod 755 "$made"
    mv "$made" "$plugin"
fi
exec "$plugin" "$@"
