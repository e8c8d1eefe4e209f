#!/bin/bash
# down.sh [wipe]: ends what up.sh started; with `wipe` its state goes too (the binaries stay).
. "$(dirname "$0")/env.sh"
containers() { in_cluster ctr -a "$RUN/containerd.sock" -n k8s.io "$@" 2>/dev/null; }

stop kubelet kube-proxy scheduler controller-manager
if [ -f "$STATE/run/containerd.pid" ]; then
  namespaces=$(for id in $(containers container ls -q); do containers container info "$id"; done | grep -o 'netns/cni-[0-9a-f-]*' | sort -u)
  for id in $(containers task ls -q); do containers task kill -s 9 "$id" >/dev/null; done
  sleep 0.5
  for id in $(containers task ls -q); do containers task rm "$id" >/dev/null; done
  for id in $(containers container ls -q); do containers container rm "$id" >/dev/null; done
fi
stop apiserver registry registry-fallback containerd etcd
awk '{print $2}' /proc/mounts | grep -E "^($STATE/kubelet|$RUN)(/|\$)" | sort -r | while read -r mount; do umount "$mount" 2>/dev/null; done
if [ -e "/run/netns/$NAME" ]; then
  for namespace in ${namespaces:-}; do ip netns del "${namespace#netns/}" 2>/dev/null; done
  ip netns del "$NAME"
  find /sys/fs/cgroup -maxdepth 2 -name "$NAME" -type d | while read -r group; do
    find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
  done
  if [ -f "$STATE/sysctl.saved" ]; then sysctl -qp "$STATE/sysctl.saved"; fi
fi
if [ "${1:-}" = wipe ]; then rm -rf "$STATE" "$RUN"; fi
true
