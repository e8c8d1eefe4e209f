#!/bin/bash
# fuzz.sh SECONDS: runs each fuzz target for SECONDS.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzz=$(scripts/cargo-tool.sh cargo-fuzz 0.13.1)
# Sanitizers are unstable options of the compiler; the pinned stable one has them all the same.
export RUSTC_BOOTSTRAP=1
"$fuzz" list | while read -r target; do
  echo "fuzz: $target for $1 s"
  mkdir -p "fuzz/corpus/$target"
  "$fuzz" run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="$1" -rss_limit_mb=512 -timeout=5
done
