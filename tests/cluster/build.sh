#!/bin/bash
# build.sh [tools|unit|api|kind|node]: builds or installs every program that the test cluster runs. A second run does nothing.
#   tools  helm, helm4                                        charts can be rendered
#   unit   also cosign, registry                              the unit and integration tests
#   api    also etcd, kube-apiserver, kubectl, crane          (default)
#   kind   also a container image's one program, `pause`, and kind; gcc from Debian
#   node   api, `pause`, the other Kubernetes programs, containerd, CNI; runc, nftables, iproute2, procps and gcc from Debian
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
  want=$({ cat "$HERE/$module/go.sum"; cat "$HERE/$module/$package"/*.go 2>/dev/null || true; } | sha256sum | cut -c1-16)
  if [ -x "$BIN/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return 0; fi
  command -v go >/dev/null || fail "Go is missing, to build $name: install Go $(awk '/^go /{print $2}' "$HERE/$module/go.mod") or newer from https://go.dev/dl"
  echo "tests/cluster: building $name (once; kept in $BIN)" >&2
  (cd "$HERE/$module" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -mod=readonly -trimpath -ldflags "$flags" -o "$BIN/$name" "$package")
  echo "$want" >"$stamp"
}

install() { "$HERE/../../scripts/install.sh" "$@"; } # what Debian has

tools() {
  build tools helm helm.sh/helm/v3/cmd/helm "$helm_flags"
  build tools helm4 helm.sh/helm/v4/cmd/helm
}

unit() {
  build tools cosign github.com/sigstore/cosign/v3/cmd/cosign
  build tools registry ./registry
}

api() {
  install openssl=openssl curl=curl
  build tools etcd go.etcd.io/etcd/server/v3
  build k8s kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "$kubernetes_flags"
  build k8s kubectl k8s.io/kubernetes/cmd/kubectl "$kubernetes_flags"
  build tools crane github.com/google/go-containerregistry/cmd/crane
}

pause() {
  if [ "$BIN/pause" -nt "$HERE/node/pause.c" ]; then return 0; fi
  install cc=gcc,libc6-dev
  cc -Os -static -s -o "$BIN/pause" "$HERE/node/pause.c"
}

kind() {
  local version=v0.33.0 # its default node has image volumes: Kubernetes 1.35 or newer
  if [ "$(cat "$BIN/.kind.stamp" 2>/dev/null)" = $version ]; then return 0; fi
  command -v go >/dev/null || fail "Go is missing, to build kind: install it from https://go.dev/dl"
  echo "tests/cluster: building kind $version (once; kept in $BIN)" >&2
  CGO_ENABLED=0 GOBIN=$BIN go install -trimpath "sigs.k8s.io/kind@$version"
  echo $version >"$BIN/.kind.stamp"
}

node() {
  local program plugin
  [ "$(id -u)" = 0 ] || fail "a whole node needs root: run as root, or use the API server alone (up.sh api)"
  install runc=runc nft=nftables ip=iproute2 nsenter=util-linux sysctl=procps
  for program in kube-controller-manager kube-scheduler kubelet kube-proxy; do
    build k8s $program k8s.io/kubernetes/cmd/$program "$kubernetes_flags"
  done
  for program in containerd containerd-shim-runc-v2 ctr; do
    build tools $program github.com/containerd/containerd/v2/cmd/$program
  done
  for plugin in ipam/host-local main/bridge main/loopback; do
    build tools "$(basename $plugin)" github.com/containernetworking/plugins/plugins/$plugin
  done
}

case $mode in
  tools) tools ;;
  unit) tools; unit ;;
  api) tools; unit; api ;;
  kind) tools; unit; api; pause; kind ;;
  node) tools; unit; api; pause; node ;;
  *) echo "usage: build.sh [tools|unit|api|kind|node]" >&2; exit 2 ;;
esac
