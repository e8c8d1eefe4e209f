# shellcheck shell=bash
# Sourced by every script here. Binaries and state lie in SEALGATE_CLUSTER_HOME; nothing else on the machine is written,
# /run/sealgate-test, cgroups of that name and the sysctls of the kubelet aside (down.sh puts those back).
: "${SEALGATE_CLUSTER_HOME:=${XDG_CACHE_HOME:-$HOME/.cache}/sealgate/cluster}"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NAME=${SEALGATE_CLUSTER_NAME:-sealgate-test} # another name makes another cluster beside it
BIN=$SEALGATE_CLUSTER_HOME/bin
STATE=$SEALGATE_CLUSTER_HOME/$NAME
PKI=$STATE/pki
RUN=/run/$NAME
NODE=testnode
NODE_IP=10.88.0.1
export PATH=$BIN:$PATH KUBECONFIG=$PKI/admin.kubeconfig
if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then PATH=$KUBEBUILDER_ASSETS:$PATH; fi

fail() { echo "tests/cluster: $*" >&2; exit 1; }

# in_cluster COMMAND...: runs it where the cluster is: in its network namespace, where it has one (node mode).
# nsenter and not `ip netns exec`: that remounts /sys and hides the cgroups.
in_cluster() {
  if [ -e "/run/netns/$NAME" ]; then nsenter --net="/run/netns/$NAME" "$@"; else "$@"; fi
}

# start NAME COMMAND...: in the background, where the cluster is, with a log and a pid file.
start() {
  local name=$1 enter=()
  shift
  mkdir -p "$STATE"/{log,run}
  printf '%q ' "$@" >"$STATE/run/$name.command"
  if [ -e "/run/netns/$NAME" ]; then enter=(nsenter --net="/run/netns/$NAME"); fi
  "${enter[@]}" setsid "$@" >>"$STATE/log/$name.log" 2>&1 </dev/null & # no function call: $! must be the program itself
  echo $! >"$STATE/run/$name.pid"
}

# restart NAME: starts what was stopped once more.
restart() { eval "start $1 $(cat "$STATE/run/$1.command")"; }

# stop NAME...: ends what start began, by pid, and waits for it.
stop() {
  local name pid
  for name in "$@"; do
    [ -f "$STATE/run/$name.pid" ] || continue
    pid=$(cat "$STATE/run/$name.pid")
    kill "$pid" 2>/dev/null
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null
    rm -f "$STATE/run/$name.pid"
  done
  true
}

# wait_for COMMAND...: until it succeeds, 60 s at most.
wait_for() {
  for _ in $(seq 600); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "tests/cluster: gave up waiting for: $*; logs are in $STATE/log" >&2
  return 1
}
