#!/bin/bash
# `make demo-cluster`: the chart on a real Kubernetes, step by step, with real cosign and a real registry.
# On kind where a container engine answers, else on the project's own cluster (as root). KEEP=1 leaves it running.
set -euo pipefail
shopt -s extglob
cd "$(dirname "$0")/../.."
. tests/cluster/env.sh
export KEYS=$STATE/demo-keys
. tests/cluster/signing.sh
KIND=sealgate-demo

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# show COMMAND...: prints the command as a user would type it, runs it, indents what it says; fails when it fails.
show() {
  printf "\n  $ %s\n" "$(tr -s "\n " " " <<<"${*//@("$BIN/"|"$STATE/")/}")"
  in_cluster "$@" 2>&1 | fold -sw 150 | sed 's/^/    /'
}

# refused COMMAND...: the same for a command that sealgate must refuse, and nobody else.
refused() {
  show "$@" | tee "$STATE/refusal" && fail "that should have been refused"
  tr -d '\n' <"$STATE/refusal" | tr -s ' ' | grep -q 'sealgate.dev".*NO_SIGNATURE.*sealgate verify' || fail "something else refused that"
}

# refused_file FILE YAML: kubectl apply of that YAML, which a reader may think of as FILE, is refused.
refused_file() {
  printf '%s\n' "$2" >"$STATE/$1"
  refused kubectl apply -f "$STATE/$1"
}

apply() { printf '\n  $ kubectl apply -f - <<EOF\n%s\n    EOF\n' "$(sed 's/^/    /' <<<"$1")"; in_cluster kubectl apply -f - <<<"$1" 2>&1 | fold -sw 150 | sed 's/^/    /'; }
try_until_refused() { for _ in $(seq 100); do in_cluster kubectl create --dry-run=server -f - <<<"$1" >/dev/null 2>&1 || return 0; sleep 0.1; done; }

own_cluster() {
  tests/cluster/down.sh wipe
  tests/cluster/up.sh node
  registry=$NODE_IP:5000
  finish() { if [ -z "${KEEP:-}" ]; then tests/cluster/down.sh wipe; fi; }
}

kind_cluster() {
  local gateway node
  tests/cluster/build.sh kind
  mkdir -p "$STATE"
  export KUBECONFIG=$STATE/kind.kubeconfig
  kind delete cluster --name $KIND 2>/dev/null || true
  kind create cluster --name $KIND --wait 120s --config - <<CONFIG
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
featureGates: {ImageVolume: true} # on by itself from Kubernetes 1.35
containerdConfigPatches:
  - |-
    [plugins."io.containerd.cri.v1.images".registry]
      config_path = "/etc/containerd/certs.d"
CONFIG
  gateway=$(docker network inspect kind -f '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' | grep -m 1 -F .)
  registry=$gateway:5000
  for node in $(kind get nodes --name $KIND); do
    docker exec "$node" mkdir -p "/etc/containerd/certs.d/$registry"
    echo "server = \"http://$registry\"" | docker exec -i "$node" cp /dev/stdin "/etc/containerd/certs.d/$registry/hosts.toml"
  done
  start demo-registry registry -addr "$registry"
  finish() {
    stop demo-registry
    if [ -z "${KEEP:-}" ]; then kind delete cluster --name $KIND; fi
  }
}

step "1. A Kubernetes"
if docker info >/dev/null 2>&1; then kind_cluster; else own_cluster; fi
trap finish EXIT

step "2. The image of sealgate, in the registry at $registry"
[ -n "${SEALGATE_IMAGE:-}" ] || scripts/image.sh
in_cluster crane push --insecure "${SEALGATE_IMAGE:-dist/image}" "$registry/sealgate:demo" >/dev/null 2>&1

step "3. Two images of an application: one signed with cosign and a key, one not"
rm -rf "$KEYS"
new_key
signed=$registry/shop/web:v1 unsigned=$registry/shop/web:v2
digest=$(tests/cluster/image.sh "$signed" "$BIN/pause" v1)
tests/cluster/image.sh "$unsigned" "$BIN/pause" v2 >/dev/null
sign bundle "$digest"
show cosign tree --allow-http-registry "$signed" || true

step "4. Install: nothing is refused yet"
show "$BIN/helm" install sealgate charts/sealgate -n sealgate --create-namespace --wait \
  --set image.repository="$registry/sealgate" --set image.tag=demo \
  --set-json "config.registries=[{\"host\":\"$registry\",\"plainHttp\":true,\"allowPrivateAddress\":true}]"
show kubectl create namespace shop
wait_for in_cluster kubectl get serviceaccount default -n shop
show kubectl run before -n shop --image="$unsigned"

step "5. One policy: images below $registry/shop must be signed with our key"
apply "$(policy shop-images "$registry/shop/**")"
wait_for in_cluster kubectl wait --for=condition=Ready csigpol/shop-images --timeout=1s
try_until_refused "$(pod probe shop "$unsigned")"
show kubectl get csigpol

step "6. An unsigned image is refused"
refused kubectl run unsigned -n shop --image="$unsigned"

step "7. A signed one runs, pinned to the digest that was verified"
show kubectl run web -n shop --image="$signed"
show kubectl wait --for=condition=Ready pod/web -n shop --timeout=60s
show kubectl get pod web -n shop -o 'jsonpath={.spec.containers[0].image}'
echo

step "8. kubectl debug is no way round it"
refused kubectl debug web -n shop --image="$unsigned"

step "9. Nor is an image volume"
refused_file pod-with-image-volume.yaml "$(pod volume shop "$signed" "$unsigned")"

step "10. A Deployment says so at once, not its pods later"
refused_file deployment.yaml "$(deployment web shop "$unsigned")"

step "11. What ran before runs on, and the way out is open"
show kubectl get pods -n shop
show "$BIN/helm" uninstall sealgate -n sealgate --wait
show kubectl run after -n shop --image="$unsigned"
if [ -n "${KEEP:-}" ]; then printf '\nThe cluster stays: . tests/cluster/env.sh; in_cluster kubectl get pods -A\n'; fi
