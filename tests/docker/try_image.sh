#!/usr/bin/env bash
# Builds docker/Dockerfile and runs a search in it: the head in one container, a worker in another, each with a network
# of its own, and what shows runs in a third. By hand, as root: `bash tests/docker/try_image.sh [WORK]`.
#
# No daemon and no registry of images is needed, but Debian's packages and PyPI are:
#   apt-get install buildah debootstrap iproute2 curl
# The official Python base is stood in for by Debian 12 with its own Python 3.11, committed under the base's name. WORK
# (default /var/tmp/tmu-image, 5 GB) keeps base and layers for the next time.
#
# torch's wheel is what `pip download` gives here, unless TORCH_INDEX names an index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=${1:-/var/tmp/tmu-image}
base=$(sed -n 's/^ARG BASE=//p' docker/Dockerfile)
image=localhost/transferable-memory:try
trials=4
driver=${STORAGE_DRIVER:-overlay} # vfs where the kernel has no overlay; then 30 GB
export BUILDAH_ISOLATION=chroot
mkdir -p "$work/index/torch" "$work/storage"

buildah() { command buildah --storage-driver "$driver" --root "$work/storage" --runroot "$work/runroot" "$@"; }
step() { printf '\n=== %s (after %d s)\n' "$*" "$SECONDS"; }

if ! buildah inspect --type image "$base" >"$work/base.json" 2>/dev/null; then
    step "a stand-in for $base"
    rm -rf "$work/base"
    debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata,python3,python3-pip bookworm "$work/base" \
        http://deb.debian.org/debian >"$work/debootstrap.log"
    rm "$work"/base/usr/lib/python3.11/EXTERNALLY-MANAGED "$work"/base/var/cache/apt/archives/*.deb
    ln -s /usr/bin/python3 "$work/base/usr/local/bin/python"
    cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/" # of a proxy, where there is one
    container=$(buildah from scratch)
    buildah add -q "$container" "$work/base" /
    buildah config --cmd python3 "$container"
    buildah commit -q --rm "$container" "$base"
    rm -rf "$work/base"
fi

if [ -z "${TORCH_INDEX:-}" ]; then
    python3 -m pip download -q --no-deps --python-version 3.11 --only-binary :all: --constraint constraints.txt \
        --dest "$work/index/torch" torch
    (cd "$work/index/torch" && for wheel in *.whl; do echo "<a href=\"$wheel\">$wheel</a>"; done >index.html)
    TORCH_INDEX=file:///mnt/index
fi

step "building $image"
began=$SECONDS
buildah bud --pull=never --layers --format docker --volume "$work/index:/mnt/index:ro" \
    --build-arg "TORCH_INDEX=$TORCH_INDEX" --file docker/Dockerfile --tag "$image" .
echo "built in $((SECONDS - began)) s"

# --- Head and worker apart, each with the command that docker/compose.yaml gives it ---

spaces=(tmu-try-head tmu-try-worker)
shared=$(mktemp -d "$work/shared.XXXX") # what compose keeps on volumes, and the secret
containers=()
leave() {
    for space in "${spaces[@]}"; do
        ip netns pids "$space" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns del "$space" 2>/dev/null || true
    done
    sleep 1
    [ ${#containers[@]} = 0 ] || buildah rm "${containers[@]}" >/dev/null || true
    rm -rf "$shared"
}
trap leave EXIT

step "two networks, joined by a cable"
for space in "${spaces[@]}"; do ip netns add "$space"; done
ip link add tmu-a netns tmu-try-head type veth peer name tmu-b netns tmu-try-worker
ip -n tmu-try-head addr add 10.87.0.1/24 dev tmu-a
ip -n tmu-try-worker addr add 10.87.0.2/24 dev tmu-b
for space in head:tmu-a worker:tmu-b; do
    ip -n "tmu-try-${space%:*}" link set lo up
    ip -n "tmu-try-${space%:*}" link set "${space#*:}" up
done
ip -n tmu-try-head route add default via 10.87.0.2 # Ray takes the address of the way out for its own
ip -n tmu-try-worker route add default via 10.87.0.1

mkdir "$shared/runs" "$shared/home"
head -c 32 /dev/urandom | base64 >"$shared/ray_token"
cp tests/fixtures/tiny.yaml docker/compose.yaml "$shared"
chown -R 1000 "$shared"
chmod 400 "$shared/ray_token"
chmod 755 "$shared"

make() { # NAME: a container of the image, which is known by that name from here on
    local id
    id=$(buildah from --pull-never --add-host head:10.87.0.1 --add-host worker:10.87.0.2 --name "tmu-try-$1" "$image")
    containers+=("$id")
    # native: these networks have no server of names, which gRPC would ask before /etc/hosts
    buildah config --env RAY_AUTH_TOKEN_PATH=/run/secrets/ray_token --env GRPC_DNS_RESOLVER=native "$id"
}
in_container() { # NAME SPACE COMMAND...
    local name=tmu-try-$1 space=tmu-try-$2
    shift 2
    # `ip netns exec` would also give a mount namespace, in which the container that runs already is not mounted.
    nsenter --net="/run/netns/$space" buildah --storage-driver "$driver" --root "$work/storage" --runroot "$work/runroot" run \
        --volume "$shared/runs:/data/runs" --volume "$shared/home:/data/home" \
        --volume "$shared/ray_token:/run/secrets/ray_token:ro" \
        --volume "$shared/tiny.yaml:/mnt/tiny.yaml:ro" --volume "$shared/compose.yaml:/mnt/compose.yaml:ro" \
        "$name" -- "$@"
}
of_compose() { # SERVICE: its command, one word a line
    in_container head head python -c "
import sys, yaml
words = yaml.safe_load(open('/mnt/compose.yaml'))['services']['$1']['command']
print(*(word.replace('\$\$', '\$') for word in words), sep='\n')" >"$work/command"
    mapfile -t command <"$work/command"
}
within() { # SECONDS COMMAND...: until it succeeds
    local until=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $until ]; then
            echo "not within its time: $*" >&2
            "$@"
        fi
        sleep 1
    done
}
sick() { ! in_container "$1" "$1" healthy; }
must_fail() { if "$@"; then echo "this must fail: $*" >&2; exit 1; fi }

for name in head worker shown; do make $name; done

step "who the containers are, and what they hold"
in_container head head sh -c 'id; python --version; ray --version; touch /usr/local/bin/x 2>&1 | grep -o "Permission denied"'

of_compose head
step "head: ${command[*]}"
must_fail in_container head head healthy
in_container head head "${command[@]}" >"$work/head.log" 2>&1 &
within 180 in_container head head healthy
of_compose worker
step "worker: ${command[*]}"
must_fail in_container worker worker healthy
in_container worker worker "${command[@]}" >"$work/worker.log" 2>&1 &
within 180 in_container worker worker healthy
in_container head head ray status --address head:6379 | grep -A 3 "Total Usage"

step "without the token nobody joins"
must_fail in_container shown worker env -u RAY_AUTH_TOKEN_PATH timeout 60 \
    python -m platform.search /mnt/tiny.yaml --profile laptop --address head:6379 --run-dir /data/runs/no

# The address by its name: this isolation shows every process of the machine, among which `auto` looks for a head.
step "a search whose driver is in the head's container"
began=$SECONDS
in_container head head python -m platform.search /mnt/tiny.yaml --profile laptop --address head:6379 \
    --run-dir /data/runs/try --set search.trials=$trials --set benchmark.on_missing=synthetic \
    --set 'benchmark.max_clips={train: 24, validation: 16, test: 24}'
echo "searched in $((SECONDS - began)) s"

step "where its trials ran"
for name in head worker; do
    # A trial's process writes `:actor_name:TargetTrial` into its log on the node where it is.
    echo "$name: $(in_container $name $name sh -c 'cat /tmp/ray/session_latest/logs/worker-*.out' |
        grep -c '^:actor_name:.*TargetTrial' || true) processes of trials"
done | tee "$work/where"
grep -q "^head: 0 " "$work/where"
must_fail grep -q "^worker: 0 " "$work/where"

step "what shows runs, asked from the other network"
for service in dashboard:8050/ tensorboard:6006/ optuna:8080/dashboard/; do
    of_compose "${service%%:*}"
    in_container shown worker "${command[@]}" >"$work/${service%%:*}.log" 2>&1 &
    url=http://10.87.0.2:${service#*:}
    within 180 ip netns exec tmu-try-head curl -sf -o /dev/null "$url"
    echo "$service $(ip netns exec tmu-try-head curl -s -o /dev/null -w '%{http_code}, %{size_download} bytes' "$url")"
    in_container shown worker env HEALTH_URL="http://127.0.0.1:${service#*:}" healthy
done

step "a container is healthy while its Ray lives"
processes() { # SPACE PATTERN: whose command matches
    ip netns pids "$1" | while read -r pid; do
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qE -- "$2" && echo "$pid" || true
    done
}
ended() { [ -z "$(processes "$1" "$2")" ]; }
kill -TERM $(processes tmu-try-worker '^[^ ]*python[^ ]* .*ray start --block')
began=$SECONDS
within 30 ended tmu-try-worker 'raylet|ray start'
echo "worker: ended $((SECONDS - began)) s after SIGTERM, within stop_grace_period"
must_fail in_container worker worker healthy
of_compose worker
in_container worker worker "${command[@]}" >>"$work/worker.log" 2>&1 &
within 180 in_container worker worker healthy
kill -KILL $(processes tmu-try-worker '^[^ ]*/raylet ')
within 60 sick worker
within 60 ended tmu-try-worker 'ray start'
echo "worker: not healthy without its raylet, and its command ends, so that compose starts it again"
in_container head head healthy
kill -KILL $(processes tmu-try-head '^[^ ]*/gcs_server ')
within 60 sick head
echo "head: not healthy without its GCS"

step "all is well; image of $(buildah images --format '{{.Size}}' "$image")"
