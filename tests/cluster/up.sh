#!/bin/bash
# up.sh [api|node]: builds what is missing and starts a Kubernetes.
#   api   etcd and kube-apiserver on loopback, no root, 3 s: admission, CRDs, RBAC (default)
#   node  a whole one-node cluster in a network namespace of its own, as root, 10 s: chart, pulls, faults
# Afterwards: . env.sh; in_cluster kubectl get pods -A
set -euo pipefail
. "$(dirname "$0")/env.sh"
mode=${1:-api}
"$HERE/build.sh" "$mode"
if [ -f "$STATE/run/apiserver.pid" ] && kill -0 "$(cat "$STATE/run/apiserver.pid")" 2>/dev/null; then
  fail "a cluster named $NAME is running: end it with tests/cluster/down.sh"
fi
"$HERE/pki.sh"

began=$(date +%s%N)
say() { printf '[%5.1f s] %s\n' "$((($(date +%s%N) - began) / 100000000))e-1" "$*"; }

network_namespace() {
  # The kubelet changes these for the whole kernel; down.sh puts them back.
  sysctl vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops | tr -d ' ' >"$STATE/sysctl.saved"
  ip netns add "$NAME"
  in_cluster ip link set lo up
  in_cluster ip link add node0 type bridge
  in_cluster ip addr add $NODE_IP/24 dev node0
  in_cluster ip link set node0 up
  in_cluster ip route add default via 10.88.0.254 dev node0 # leads nowhere, but a node needs a default route
  in_cluster sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
  say "network namespace $NAME"
}

cgroups() {
  local controller file
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids systemd unified; do # version 1
    if [ -d /sys/fs/cgroup/$controller ]; then mkdir -p "/sys/fs/cgroup/$controller/$NAME"; fi
  done
  if [ -d /sys/fs/cgroup/cpuset ]; then
    for file in cpus mems; do cat /sys/fs/cgroup/cpuset/cpuset.$file >"/sys/fs/cgroup/cpuset/$NAME/cpuset.$file"; done
  fi
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then mkdir -p "/sys/fs/cgroup/$NAME"; fi # version 2
}

container_runtime() {
  local file port
  mkdir -p "$STATE"/{cni,certs.d,conf}
  for file in containerd.toml kubelet.yaml kube-proxy.yaml 10-bridge.conflist; do
    sed "s#@STATE@#$STATE#g; s#@BIN@#$BIN#g; s#@RUN@#$RUN#g; s#@NAME@#$NAME#g; s#@NODE@#$NODE#g; s#@RUNC@#$(command -v runc)#g" \
      "$HERE/node/$file" >"$STATE/conf/$file"
  done
  cp "$STATE/conf/10-bridge.conflist" "$STATE/cni/"
  for port in 5000 5001; do
    mkdir -p "$STATE/certs.d/$NODE_IP:$port"
    echo "server = \"http://$NODE_IP:$port\"" >"$STATE/certs.d/$NODE_IP:$port/hosts.toml"
  done
  start containerd containerd -c "$STATE/conf/containerd.toml"
}

webhook_clients() { # the certificate that the API server shows to every webhook
  cat >"$STATE/admission.yaml" <<ADMISSION
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
$(for plugin in MutatingAdmissionWebhook ValidatingAdmissionWebhook; do
    echo "  - {name: $plugin, configuration: {apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: $STATE/webhooks.kubeconfig}}"
  done)
ADMISSION
  cat >"$STATE/webhooks.kubeconfig" <<KUBECONFIG
apiVersion: v1
kind: Config
users: [{name: "*", user: {client-certificate: "$PKI/apiserver-kubelet-client.crt", client-key: "$PKI/apiserver-kubelet-client.key"}}]
KUBECONFIG
}

control_plane() {
  local listen=$1 advertise=$2 port
  for port in 2379 5000 5001 6443; do
    if in_cluster bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null; then fail "port $port of 127.0.0.1 is taken"; fi
  done
  start registry registry -addr "$listen:5000"                           # with the referrers API; in memory, plain http
  start registry-fallback registry -addr "$listen:5001" -referrers=false # without it: cosign uses the fallback tag
  start etcd etcd --data-dir "$STATE/etcd" --unsafe-no-fsync --listen-peer-urls http://127.0.0.1:2380 \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379
  wait_for in_cluster curl -fsm 2 http://127.0.0.1:2379/health
  say etcd
  webhook_clients
  # shellcheck disable=SC2086 # APISERVER_EXTRA is several flags
  start apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=6443 \
    --advertise-address="$advertise" --service-cluster-ip-range=10.96.0.0/16 --allow-privileged=true \
    --authorization-mode=Node,RBAC --profiling=false --admission-control-config-file="$STATE/admission.yaml" \
    --client-ca-file="$PKI/ca.crt" --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$PKI/sa.pub" \
    --service-account-signing-key-file="$PKI/sa.key" --kubelet-preferred-address-types=InternalIP \
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
    --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$PKI/front-proxy-client.crt" --proxy-client-key-file="$PKI/front-proxy-client.key" ${APISERVER_EXTRA:-}
  wait_for in_cluster curl -fsm 2 --cacert "$PKI/ca.crt" --cert "$PKI/admin.crt" --key "$PKI/admin.key" https://127.0.0.1:6443/readyz
  say "kube-apiserver"
}

default_service_account() { # no controller makes it here, and without it every pod is refused before a webhook is asked
  wait_for kubectl get namespace default
  kubectl create serviceaccount default -n default >/dev/null 2>&1 || true
}

node() {
  start controller-manager kube-controller-manager --kubeconfig="$PKI/controller-manager.kubeconfig" --bind-address=127.0.0.1 \
    --leader-elect=false --use-service-account-credentials=true --root-ca-file="$PKI/ca.crt" --profiling=false \
    --service-account-private-key-file="$PKI/sa.key" --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
    --cluster-cidr=10.244.0.0/16 --allocate-node-cidrs=true --service-cluster-ip-range=10.96.0.0/16
  start scheduler kube-scheduler --kubeconfig="$PKI/scheduler.kubeconfig" --bind-address=127.0.0.1 --leader-elect=false --profiling=false
  start kube-proxy kube-proxy --config="$STATE/conf/kube-proxy.yaml"
  start kubelet kubelet --config="$STATE/conf/kubelet.yaml" --kubeconfig="$PKI/kubelet.kubeconfig" --root-dir="$STATE/kubelet" \
    --hostname-override="$NODE" --node-ip="$NODE_IP" -v=1
  wait_for node_is_ready
  say "node $NODE"
  "$HERE/image.sh" 127.0.0.1:5000/pause:local "$BIN/pause" >/dev/null
  wait_for in_cluster kubectl get serviceaccount default
}

node_is_ready() {
  in_cluster kubectl get node "$NODE" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}' | grep -q True
}

case $mode in
  api)
    control_plane 127.0.0.1 127.0.0.1
    default_service_account
    ;;
  node)
    network_namespace
    cgroups
    container_runtime
    control_plane 0.0.0.0 $NODE_IP # only the namespace sees it; pods and the kubelet reach it at NODE_IP
    node
    ;;
esac
say ready
