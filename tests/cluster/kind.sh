#!/bin/bash
# kind.sh: the tests against a live API server, on a kind cluster that is made for them. Needs a container engine; no root.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cluster=sealgate-e2e
docker info >/dev/null 2>&1 || fail "no container engine answers \`docker info\`; without one: make e2e"
"$HERE/build.sh" kind
mkdir -p "$STATE"
export KUBECONFIG=$STATE/e2e.kubeconfig
trap 'kind delete cluster --name $cluster' EXIT
kind delete cluster --name $cluster 2>/dev/null
kind create cluster --name $cluster --wait 120s
# The gate runs here, and the API server in a container reaches it at this side of their bridge.
gateway=$(docker network inspect kind -f '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' | grep -m 1 -F .)
SEALGATE_E2E_KUBECONFIG=$KUBECONFIG SEALGATE_E2E_HOST=$gateway "$HERE/e2e.sh"
