#!/bin/bash
# Runs other container engines than this machine's own, to test against every kind of image store.
#
#   engine.sh up   NAME [STORE]            prints the engine's address (a DOCKER_HOST)
#   engine.sh exec NAME STORE COMMAND...   runs a command where the ports that the engine publishes can be reached
#   engine.sh down NAME [STORE]            ends it and all it runs; its packages stay for the next time
#
# NAME is docker-bookworm (20.10), docker-trixie (26), docker-sid (28), podman-bookworm (4) or podman-sid (5). STORE is
# overlay2 (default) or, from 26 on, containerd for Docker; podman for Podman. Needs Linux, root, mmdebstrap, iproute2 and
# curl. The first `up` of a release installs its packages (a minute or two) below ENGINES_DIR
# (/var/tmp/containeriter-engines); later ones take seconds.
#
# The engine gets its own mount, PID and network namespace. The last one matters: a second dockerd in the machine's own
# network namespace deletes the first one's bridge. So what it publishes can be reached through `exec` only.
set -euo pipefail

usage() {
  sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

die() {
  echo "engine.sh: $*" >&2
  exit 1
}

[ $# -ge 2 ] || usage
verb=$1 name=$2 store=${3:-overlay2}
case $name in
  docker-bookworm) suite=bookworm packages=docker.io,iptables ;;
  docker-trixie) suite=trixie packages=docker.io,iptables ;;
  docker-sid) suite=sid packages=docker.io,iptables ;;
  podman-bookworm) suite=bookworm packages=podman,runc,iptables store=podman ;;
  podman-sid) suite=sid packages=podman,runc,nftables store=podman ;;
  *) usage ;;
esac
base=${ENGINES_DIR:-/var/tmp/containeriter-engines}
root=$base/$name-root
state=$base/$name-$store
socket=$state/run/engine.sock

alive() { [ -e "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null; }

answers() { curl -fs --max-time 5 --unix-socket "$socket" http://localhost/_ping >/dev/null 2>&1; }

install_packages() {
  [ ! -e "$root/.complete" ] || return 0
  command -v mmdebstrap >/dev/null || die "needs mmdebstrap (apt-get install mmdebstrap)"
  rm -rf "$root"
  mkdir -p "$base"
  # A mirror's snapshot of sid may be older than its own validity date: still good enough to test with.
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --include="ca-certificates,$packages" "$suite" "$root" >&2
  touch "$root/.complete"
}

# Runs as PID 1 of the new namespaces.
inside() {
  root=$1 state=$2 store=$3
  # With this machine's own tool: the engine's packages have none.
  ip link set lo up
  # An address that is not the loopback one (RFC 5737: nobody's), for the test that nothing is published there.
  ip link add outside type bridge
  ip address add 192.0.2.2/24 dev outside
  ip link set outside up
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mkdir -p "$root/oldroot" "$root/data" "$root/enginerun"
  mount -t proc proc "$root/proc"
  for tree in sys dev; do mount --rbind "/$tree" "$root/$tree"; done
  mount --bind "$state/data" "$root/data"
  mount --bind "$state/run" "$root/enginerun"
  cd "$root"
  pivot_root . oldroot
  cd /
  umount -l /oldroot
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/data/tmp HOME=/root
  if [ "$store" = podman ]; then
    mkdir -p /etc/containers
    echo '{"default":[{"type":"insecureAcceptAnything"}]}' >/etc/containers/policy.json
    # runc: unlike crun it also runs on machines with both versions of cgroups.
    exec podman --root /data/root --runroot /enginerun/runroot --storage-driver overlay --cgroup-manager cgroupfs \
      --runtime runc system service -t 0 unix:///enginerun/engine.sock
  fi
  [ "$store" = containerd ] && snapshotter=true || snapshotter=false
  echo "{\"features\":{\"containerd-snapshotter\":$snapshotter}}" >/data/daemon.json
  exec dockerd --config-file /data/daemon.json --data-root /data/docker --exec-root /enginerun/exec \
    --pidfile /enginerun/dockerd.pid -H unix:///enginerun/engine.sock
}

up() {
  [ "$(id -u)" = 0 ] || die "needs root"
  install_packages
  if ! alive; then
    # Each time with an empty store: what an earlier run left there would be found again.
    rm -rf "$state/run" "$state/data"
    mkdir -p "$state/run" "$state/data/tmp"
    # setsid: an interrupted test run must not take the engine down before `down` can do it in order.
    setsid unshare --mount --net --pid --fork --kill-child \
      bash -euc "$(declare -f inside); inside \"\$@\"" engine "$root" "$state" "$store" \
      >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
  fi
  for _ in $(seq 150); do
    if answers; then
      echo "unix://$socket"
      return
    fi
    alive || break
    sleep 0.2
  done
  tail -n 15 "$state/log" >&2
  die "$name did not answer; above is the end of its log"
}

down() {
  alive || return 0
  pid=$(cat "$state/pid")
  # The engine itself is the only child: let it end in order, then end the PID namespace whatever is left in it.
  pkill -TERM -P "$pid" || true
  for _ in $(seq 100); do
    alive || break
    sleep 0.1
  done
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$state/pid"
}

case $verb in
  up) up ;;
  exec)
    alive || die "$name is not up"
    shift 3
    # The engine is the only child of the process that made the namespaces.
    exec nsenter --net --target "$(pgrep -P "$(cat "$state/pid")")" -- "$@"
    ;;
  down) down ;;
  *) usage ;;
esac
