#!/bin/bash
# e2e.sh: the tests against a live API server, then the chart tests on a whole node, with Helm 3 and Helm 4.
# SEALGATE_E2E_KUBECONFIG=FILE runs the first part alone, against that cluster.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$HERE/../.."

if [ -n "${SEALGATE_E2E_KUBECONFIG:-}" ]; then
  "$HERE/build.sh" tools
  command -v kubectl >/dev/null || fail "kubectl is missing"
  KUBECONFIG=$SEALGATE_E2E_KUBECONFIG cargo test --locked --test e2e
  exit
fi

trap '"$HERE/down.sh" wipe' EXIT
"$HERE/down.sh" wipe
"$HERE/up.sh" api
SEALGATE_E2E_CLIENT_CA=$PKI/ca.crt cargo test --locked --test e2e -- --include-ignored
"$HERE/down.sh" wipe
"$HERE/chart-test.sh" helm
"$HERE/chart-test.sh" helm4
