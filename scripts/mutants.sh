#!/bin/bash
# mutants.sh [SHARD]: changes the pure core in one place at a time, and tells which changes no test notices.
# SHARD, such as 1/20, takes every twentieth change. The list of what was missed is in mutants.out/missed.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cargo-mutants >/dev/null || cargo install --locked cargo-mutants
# The tests that belong to the pure core; each change costs one incremental build and one run of these.
exec cargo mutants \
  --file 'src/signatures/**' --file 'src/signatures.rs' \
  --file 'src/policy/**' --file 'src/policy.rs' \
  --file 'src/domain/**' --file 'src/domain.rs' \
  --exclude '**/tests.rs' --exclude 'src/policy/testing.rs' \
  --no-shuffle --timeout 120 --jobs 1 ${1:+--shard "$1"} \
  -- --lib --test it -- --include-ignored \
  --skip admission:: --skip agreement:: --skip chart:: --skip cosign:: --skip image:: --skip network:: --skip server::
