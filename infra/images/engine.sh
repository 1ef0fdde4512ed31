#!/usr/bin/env bash
# A Docker engine for the tests.
#   engine.sh start   prints the engine's address (for DOCKER_HOST): the engine that answers already, or one that is
#                     started from Debian's docker.io, with its data in a folder of its own. Exits 1 with the reason
#                     where neither can be had.
#   engine.sh stop    ends the engine that `start` started, and nothing else.
#   engine.sh running exits 0 while that engine runs.
# SIGHTLINE_DOCKER_DATA is the folder of its images, by default in the user's cache, so that the next run finds them.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
data="${SIGHTLINE_DOCKER_DATA:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/sightline/docker}"
state="${TMPDIR:-/tmp}/sightline-docker-$(id -u)"
address="unix://$state/docker.sock"
patience_s=40

answers() { timeout 10 docker --host "$1" info >/dev/null 2>&1; }

running() { [[ -f "$state/pid" ]] && kill -0 "$(cat "$state/pid")" 2>/dev/null; }

start() {
    local given
    given="${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}"
    for known in "$given" "$address"; do
        if [[ -n "$known" ]] && answers "$known"; then
            echo "$known"
            return
        fi
    done
    if [[ "$(id -u)" -ne 0 ]]; then
        echo "no Docker engine answers, and only root may start one" >&2
        return 1
    fi
    command -v dockerd >/dev/null || "$here/../local/install.sh" docker.io
    command -v docker >/dev/null || "$here/../local/install.sh" docker-cli # a package of its own since Debian 13
    # The plain way first; then without a firewall (no iptables), then without layers (no overlay file system).
    launch || launch --iptables=false --ip6tables=false \
        || launch --iptables=false --ip6tables=false --storage-driver=vfs || {
        echo "no Docker engine could be started here; its log ends with:" >&2
        tail -n 5 "$state/log" >&2
        return 1
    }
    echo "$address"
}

launch() {
    mkdir -p "$data" "$state"
    ip link show docker0 >/dev/null 2>&1 || touch "$state/bridge-is-ours"
    setsid dockerd --host "$address" --data-root "$data" --exec-root "$state/exec" --pidfile "$state/docker.pid" \
        "$@" >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    for _ in $(seq "$patience_s"); do
        if answers "$address"; then
            return 0
        fi
        running || break
        sleep 1
    done
    end
    return 1
}

end() {
    running || return 0
    local pid
    pid="$(cat "$state/pid")"
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 30); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 1
    done
    kill -9 "$pid" 2>/dev/null || true
}

stop() {
    end
    if [[ -f "$state/bridge-is-ours" ]]; then
        ip link delete docker0 2>/dev/null || true
    fi
    if [[ -d "$state" ]]; then
        awk -v under="$state/" 'index($2, under) == 1 { print $2 }' /proc/mounts | xargs -r umount
        rm -rf "$state"
    fi
}

case "${1:-}" in
    start | stop | running) "$1" ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 2
        ;;
esac
