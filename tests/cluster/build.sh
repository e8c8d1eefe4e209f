#!/bin/bash
# build.sh [tools|api|node]: builds or installs every program that the test cluster runs. A second run does nothing.
#   tools  helm, helm4                                        charts can be rendered
#   api    also etcd, kube-apiserver, kubectl, cosign, crane, registry   (default)
#   node   also the other Kubernetes programs, containerd, CNI; runc, nftables, iproute2 and gcc from Debian
# All of them are Go modules pinned, with checksums, by the go.mod and go.sum files beside this script.
# Where KUBEBUILDER_ASSETS is set, its etcd, kube-apiserver and kubectl are used.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mode=${1:-api}
mkdir -p "$BIN"
exec 9>"$SEALGATE_CLUSTER_HOME/build.lock"
flock 9 # never two builds at once

kubernetes=$(awk '/k8s.io\/kubernetes v/{print $NF; exit}' "$HERE/k8s/go.mod")
minor=$(echo "$kubernetes" | cut -d. -f2)
version=k8s.io/component-base/version
kubernetes_flags="-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=$minor -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes"
# Without these `helm template` believes that it speaks to Kubernetes 1.20.
helm=helm.sh/helm/v3
helm_flags="-X $helm/internal/version.version=$(awk '/helm.sh\/helm\/v3 v/{print $2}' "$HERE/tools/go.mod") -X $helm/pkg/chartutil.k8sVersionMajor=1 -X $helm/pkg/chartutil.k8sVersionMinor=$minor"

# build MODULE NAME PACKAGE [LDFLAGS]
build() {
  local module=$1 name=$2 package=$3 flags="-s -w ${4:-}" stamp=$BIN/.$2.stamp want
  if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$name" ]; then return 0; fi
  want=$(sha256sum <"$HERE/$module/go.sum" | cut -c1-16)
  if [ -x "$BIN/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return 0; fi
  command -v go >/dev/null || fail "Go is missing, to build $name: install Go $(awk '/^go /{print $2}' "$HERE/$module/go.mod") or newer from https://go.dev/dl"
  echo "tests/cluster: building $name (once; kept in $BIN)" >&2
  (cd "$HERE/$module" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -mod=readonly -trimpath -ldflags "$flags" -o "$BIN/$name" "$package")
  echo "$want" >"$stamp"
}

# install PROGRAM=PACKAGE...: what Debian has.
install() {
  local wanted missing=()
  for wanted in "$@"; do command -v "${wanted%=*}" >/dev/null || missing+=("${wanted#*=}"); done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then fail "missing on this machine: ${missing[*]} (Debian names); install them and try again"; fi
  echo "tests/cluster: installing ${missing[*]}" >&2
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

tools() {
  build tools helm helm.sh/helm/v3/cmd/helm "$helm_flags"
  build tools helm4 helm.sh/helm/v4/cmd/helm
}

api() {
  install openssl=openssl curl=curl
  build tools etcd go.etcd.io/etcd/server/v3
  build k8s kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "$kubernetes_flags"
  build k8s kubectl k8s.io/kubernetes/cmd/kubectl "$kubernetes_flags"
  build tools cosign github.com/sigstore/cosign/v3/cmd/cosign
  build tools crane github.com/google/go-containerregistry/cmd/crane
  build tools registry ./registry
}

node() {
  local program plugin
  [ "$(id -u)" = 0 ] || fail "a whole node needs root: run as root, or use the API server alone (up.sh api)"
  install runc=runc nft=nftables ip=iproute2 nsenter=util-linux gcc=gcc
  for program in kube-controller-manager kube-scheduler kubelet kube-proxy; do
    build k8s $program k8s.io/kubernetes/cmd/$program "$kubernetes_flags"
  done
  for program in containerd containerd-shim-runc-v2 ctr; do
    build tools $program github.com/containerd/containerd/v2/cmd/$program
  done
  for plugin in ipam/host-local main/bridge main/loopback; do
    build tools "$(basename $plugin)" github.com/containernetworking/plugins/plugins/$plugin
  done
  if [ "$BIN/pause" -ot "$HERE/node/pause.c" ]; then
    [ -e /usr/lib/x86_64-linux-gnu/libc.a ] || [ -e "/usr/lib/$(gcc -print-multiarch)/libc.a" ] || install libc.a=libc6-dev
    gcc -Os -static -s -o "$BIN/pause" "$HERE/node/pause.c"
  fi
}

case $mode in
  tools) tools ;;
  api) tools; api ;;
  node) tools; api; node ;;
  *) echo "usage: build.sh [tools|api|node]" >&2; exit 2 ;;
esac
