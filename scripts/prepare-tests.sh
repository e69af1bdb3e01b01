#!/bin/bash
# Makes the container engines ready that the tests need.
#
#   prepare-tests.sh         install what is missing (as root on Debian or Ubuntu), start Docker where no engine answers
#   prepare-tests.sh stop    stop the Docker daemon again, if this script started it
#
# Where nothing can be done it says what is missing and goes on: the tests themselves decide what they cannot do without.
set -euo pipefail
cd "$(dirname "$0")/.."
log=build/dockerd.log pid_file=build/dockerd.pid
wait_seconds=60

# A command that shows that a package is there, and the package.
needs=(
  dockerd:docker.io
  iptables:iptables
  busybox:busybox-static
  chromium:chromium
  curl:curl
  skopeo:skopeo
  umoci:umoci
  podman:podman
  docker-registry:docker-registry
  openssl:openssl
  initdb:postgresql
  mmdebstrap:mmdebstrap
  qemu-aarch64-static:qemu-user-static
  /usr/bin/python3:python3
  gcc:build-essential
)

say() { echo "$*" >&2; }

# Daemons are often outside an ordinary user's PATH, and PostgreSQL's programs are outside everybody's.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
for programs in /usr/lib/postgresql/*/bin; do PATH=$PATH:$programs; done

missing_packages() {
  local need
  for need in "${needs[@]}"; do
    command -v "${need%%:*}" >/dev/null || echo "${need#*:}"
  done
}

install_missing() {
  local -a missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "Not installed: ${missing[*]}. Tests that need them are skipped. On Debian and Ubuntu: sudo apt-get install ${missing[*]}"
    return 0
  fi
  say "Installing ${missing[*]}."
  { apt-get -qq update &&
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null; } ||
    say "Some of them could not be installed; the tests go on without."
}

# The way the tests will look for it themselves: DOCKER_HOST, contexts, Docker's and Podman's sockets.
engine_answers() {
  .venv/bin/python -c 'from jupyter_containeriter.engines.docker import docker_engine; docker_engine().describe()' \
    >/dev/null 2>&1
}

start_docker() {
  if engine_answers; then
    return 0
  elif [ -n "${DOCKER_HOST:-}" ]; then
    say "No engine answers at DOCKER_HOST=$DOCKER_HOST, so none is started."
  elif [ "$(id -u)" != 0 ] || ! command -v dockerd >/dev/null; then
    say "No container engine answers, and this user cannot start one. Tests that need one are skipped (with CI=true: fail)."
  elif dockerd_runs_here; then
    say "A dockerd runs here but does not answer; a second one beside it would do harm, so none is started."
  else
    launch_dockerd
  fi
}

# In this network: a dockerd elsewhere on the machine is nobody's business.
dockerd_runs_here() {
  local process
  for process in $(grep -lsx dockerd /proc/[0-9]*/comm || true); do
    [ "$(readlink "${process%/comm}/ns/net")" != "$(readlink /proc/self/ns/net)" ] || return 0
  done
  return 1
}

launch_dockerd() {
  local waited=0
  mkdir -p build
  say "Starting dockerd; its log is $log."
  # A session of its own: Ctrl-C at the tests must not end it before its containers.
  setsid dockerd >"$log" 2>&1 </dev/null &
  echo $! >"$pid_file"
  until engine_answers; do
    if [ $waited -ge $wait_seconds ] || ! kill -0 "$(cat "$pid_file")" 2>/dev/null; then
      say "dockerd did not start; the end of its log:"
      tail -n 10 "$log" >&2
      stop_docker
      return 0
    fi
    sleep 1
    waited=$((waited + 1))
  done
}

stop_docker() {
  local pid
  [ -e "$pid_file" ] || return 0
  pid=$(cat "$pid_file")
  rm -f "$pid_file"
  # The number may belong to something else by now.
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ] || return 0
  kill "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
}

case ${1:-} in
  "") install_missing && start_docker ;;
  stop) stop_docker ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
