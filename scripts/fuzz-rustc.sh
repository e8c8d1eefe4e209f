#!/bin/bash
# fuzz-rustc.sh RUSTC ARGUMENT...: compiles; our own crates and those that parse for us report which branches they take.
set -euo pipefail
ours='sealgate|sealgate_fuzz|sigstore_[a-z_]+|x509_cert|x509_tsp|cms|der|spki|kube_cel|cel|regex_syntax|serde_json'
# What runs while compiling has no --target.
if [[ " $* " == *" --target "* && " $* " =~ \ --crate-name\ ($ours)\  ]]; then
  set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
fi
exec "$@"
