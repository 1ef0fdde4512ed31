#!/usr/bin/env bash
# Builds our own images, sightline/ROLE:VERSION, and prints their sizes.
#   build.sh [ROLE]...   all six when none is named: submitter, inference, search, result_store, gateway, all.
# SIGHTLINE_VERSION is the tag, `latest` by default. They stand on python:3.13-slim where the engine has it or can pull
# it, else on an offline image of Debian's Python. Needs a Docker engine.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$here/../.."
tag="${SIGHTLINE_VERSION:-latest}"
official=python:3.13-slim
[[ $# -gt 0 ]] || set -- submitter inference search result_store gateway all

command -v docker >/dev/null && docker info >/dev/null 2>&1 || {
    echo "build.sh: no Docker engine answers; try DOCKER_HOST=\$(infra/images/engine.sh start)" >&2
    exit 1
}
base="$("$here/choose.sh" "$official" python:3.13)"
builder="$base"
if [[ "$base" != "$official" ]]; then
    builder="$("$here/choose.sh" none wheels:3.13)"
fi
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
for role in "$@"; do
    if ! docker build --force-rm --file "$root/infra/docker/Dockerfile" --tag "sightline/$role:$tag" \
        --build-arg ROLE="$role" --build-arg BASE_IMAGE="$base" --build-arg BUILD_IMAGE="$builder" \
        --build-arg VERSION="$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/pyproject.toml")" \
        --build-arg REVISION="$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)" \
        "$root" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "build.sh: the build of sightline/$role:$tag failed" >&2
        exit 1
    fi
    docker image inspect --format '{{index .RepoTags 0}} {{.Size}}' "sightline/$role:$tag" \
        | awk '{ printf "%-32s %4d MB\n", $1, $2 / 1000000 }'
done
