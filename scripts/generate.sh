#!/bin/bash
# generate.sh DIRECTORY: writes every generated file below DIRECTORY, which `make generate` sets to the working copy.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/cluster/env.sh
out=$(realpath "$1")
mkdir -p "$out"/{charts/sealgate/files,deploy,docs/reference}

cargo build --quiet --locked --bin sealgate
sealgate=${CARGO_TARGET_DIR:-target}/debug/sealgate

"$sealgate" generate crds >"$out/charts/sealgate/files/crds.yaml"

# The settings of the program are the schema of the value `config`.
"$sealgate" generate values-schema >"$out/config.schema.json"
sed -e "/@CONFIG@/{r $out/config.schema.json" -e 'd;}' charts/sealgate/values.schema.json.in >"$out/charts/sealgate/values.schema.json"
rm "$out/config.schema.json"

"$BIN/helm" template sealgate charts/sealgate --namespace sealgate --no-hooks \
  --set image.repository=registry.example.com/sealgate >"$out/deploy/chart.yaml"
cat deploy/namespace.yaml "$out/deploy/chart.yaml" >"$out/deploy/install.yaml"
rm "$out/deploy/chart.yaml"

for page in cli configuration limits metrics policy trusted-root; do
  "$sealgate" generate docs $page >"$out/docs/reference/$page.md"
done

# The rows of the scoreboard and their tests.
SEALGATE_GENERATE=$out cargo test --quiet --locked --test it scoreboard::the_page >/dev/null
