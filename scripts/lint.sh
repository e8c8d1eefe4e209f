#!/bin/bash
# The checks of `make lint` beyond rustfmt and clippy.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/cluster/env.sh

echo "lint: dependencies (deny.toml)"
# row: SUP-03 cargo deny: bans, licences, sources
deny=$(scripts/cargo-tool.sh cargo-deny 0.20.2 --no-default-features)
cargo fetch --locked --quiet # of all platforms, which cargo-deny looks at and no build here has asked for
"$deny" --log-level warn --offline check bans licenses sources

echo "lint: shell scripts"
scripts/install.sh shellcheck=shellcheck
git ls-files -z | xargs -0 awk 'FNR == 1 && /^#!.*sh$/ {print FILENAME} {nextfile}' | xargs shellcheck --severity=warning

echo "lint: chart, with Helm 3 and Helm 4"
for helm in helm helm4; do
  for values in charts/sealgate/values.yaml charts/sealgate/values-*.yaml; do
    "$BIN/$helm" lint --strict --quiet --namespace sealgate --values "$values" \
      --set image.repository=registry.example.com/sealgate charts/sealgate
  done
done

echo "lint: generated files"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
scripts/generate.sh "$fresh"
(cd "$fresh" && find . -type f) | while read -r file; do
  diff -u "$file" "$fresh/$file" || { echo "lint: $file is not what \`make generate\` writes" >&2; exit 1; }
done
