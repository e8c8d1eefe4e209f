#!/bin/bash
# client.sh verify-bundle [--staging] --bundle FILE [--certificate-identity ID --certificate-oidc-issuer URL | --key FILE]
#   [--trusted-root FILE] FILE_OR_DIGEST
# The client that the suite sigstore-conformance calls; signing is not this program's trade. SEALGATE names the program.
set -euo pipefail
[ "${1:-}" = verify-bundle ] || { echo "client: only verify-bundle is spoken here" >&2; exit 2; }
shift
arguments=()
for argument in "$@"; do
  [ "$argument" != --staging ] || { echo "client: pass the staging root with --trusted-root" >&2; exit 2; }
  arguments+=("$argument")
done
exec "${SEALGATE:-sealgate}" verify "${arguments[@]}"
