#!/bin/bash
# mutants.sh [SHARD]: changes the pure core in one place at a time, and tells which changes no test notices.
# SHARD, such as 1/20, takes every twentieth change. The list of what was missed is in mutants.out/missed.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
mutants=$(scripts/cargo-tool.sh cargo-mutants 27.1.0)
# Each change costs one incremental build and one run of the tests that belong to the pure core.
exec "$mutants" mutants \
  --file 'src/signatures/**' --file 'src/signatures.rs' \
  --file 'src/policy/**' --file 'src/policy.rs' \
  --file 'src/domain/**' --file 'src/domain.rs' \
  --exclude '**/tests.rs' --exclude 'src/policy/testing.rs' --exclude 'src/policy/condition/rego.rs' \
  --no-shuffle --timeout 120 --jobs 1 ${1:+--shard "$1"} \
  -- --lib --test it -- --include-ignored \
  --skip admission:: --skip agreement:: --skip architecture:: --skip chart:: --skip cosign:: --skip cry_36 \
  --skip image:: --skip network:: --skip scoreboard:: --skip server::
