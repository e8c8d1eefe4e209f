#!/bin/bash
# fuzz.sh SECONDS [TARGET]: runs each fuzz target, or one, for SECONDS. Fails where one panics, takes longer than a second for
# an input or uses more than 256 MiB.
#
# Without a sanitizer: none of our code is unsafe, and the memory that is measured is what the code itself takes. Debug
# assertions and overflow checks are on.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=$1 only=${2:-} profile=${FUZZ_PROFILE:-release}
host=$(rustc -vV | sed -n 's/^host: //p')
folder=${CARGO_TARGET_DIR:-$PWD/fuzz/target}
export CARGO_TARGET_DIR=$folder RUSTC_WRAPPER=$PWD/scripts/fuzz-rustc.sh
# The stack that the threads of the product have.
ulimit -s 2048
targets=$only
[ -n "$targets" ] || targets=$(basename -s .rs fuzz/fuzz_targets/*.rs)
bins=()
for target in $targets; do bins+=(--bin "$target"); done
cargo build --quiet --locked --manifest-path fuzz/Cargo.toml --profile "$profile" --target "$host" "${bins[@]}"
built=$folder/$host/${profile/#dev/debug}
table=$(mktemp)
trap 'rm -f "$table"' EXIT
failed=0
for target in $targets; do
  echo "fuzz: $target for $seconds s"
  mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
  log=fuzz/artifacts/$target.log
  seeds=("fuzz/seeds/$target")
  [ ! -d "fuzz/crashes/$target" ] || seeds+=("fuzz/crashes/$target")
  result=ok
  nice -n 19 "$built/$target" "fuzz/corpus/$target" "${seeds[@]}" -max_total_time="$seconds" -max_len=65536 -timeout=1 \
    -rss_limit_mb=256 -print_final_stats=1 -artifact_prefix="fuzz/artifacts/$target/" 2>"$log" || { result=FAILED; failed=1; tail -n 40 "$log"; }
  stat() { sed -n "s/^stat::$1: *//p" "$log"; }
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$target" "$seconds" "$(stat number_of_executed_units)" "$(stat new_units_added)" \
    "$(stat peak_rss_mb)" "$(stat slowest_unit_time_sec)" "$result" >>"$table"
done
(printf 'target\tseconds\texecutions\tnew corpus\tpeak RSS MiB\tslowest s\tresult\n' && cat "$table") | column -t -s $'\t'
exit "$failed"
