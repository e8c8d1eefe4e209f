#!/bin/bash
# faults.sh [CASE]: tests the release binary under attacks and faults that take real memory and real time (tests/faults), all
# of them or those whose name has CASE in it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --quiet --locked --release --bin sealgate
SEALGATE_FAULTS_BINARY=$(realpath "${CARGO_TARGET_DIR:-target}/release/sealgate")
export SEALGATE_FAULTS_BINARY
cargo test --locked --test faults -- --test-threads 1 --nocapture "$@"
