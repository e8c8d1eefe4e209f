#!/bin/bash
# faults.sh [CASE]: tests the program of the image under attacks and faults that take real memory, real time or a whole cluster
# (tests/faults), all of them or those whose name has CASE in it. Those of a cluster (CASE=cluster) need root.
set -euo pipefail
. "$(dirname "$0")/../tests/cluster/env.sh"
. "$HERE/release.sh"
cd "$HERE/../.."
SEALGATE_FAULTS_BINARY=$(scripts/image.sh --program)
export SEALGATE_FAULTS_BINARY SEALGATE_BINARY=$SEALGATE_FAULTS_BINARY SEALGATE_FAULTS_NODE=$NODE_IP
cases=$(cargo test --quiet --locked --test faults -- --list "$@")
if [[ $cases == *cluster::* ]]; then
  trap '"$HERE/down.sh" wipe' EXIT
  release_node
  release_values "$NODE_IP:5010"
  echo "faults: installing the chart, two replicas"
  in_cluster helm install sealgate charts/sealgate -n sealgate -f "$STATE/values.yaml" --wait --timeout 120s >/dev/null
fi
in_cluster cargo test --locked --offline --test faults -- --test-threads 1 --nocapture "$@"
