#!/bin/bash
# image.sh REFERENCE PROGRAM [ARGUMENT...]: pushes an image of one static program, as its entrypoint; prints reference@digest.
# PROGRAM=- makes a small image that holds only a random file, for tests that never run it.
set -euo pipefail
. "$(dirname "$0")/env.sh"
reference=$1 program=$2
shift 2
case $(uname -m) in
  aarch64) platform=linux/arm64 ;;
  *) platform=linux/amd64 ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/root"
if [ "$program" = - ]; then
  head -c 64 /dev/urandom >"$work/root/data"
  entrypoint=/data
else
  cp "$program" "$work/root/"
  entrypoint=/$(basename "$program")
fi
tar -C "$work/root" --owner=0 --group=0 -cf "$work/layer.tar" .
in_cluster crane append --insecure -f "$work/layer.tar" -t "$reference" >/dev/null 2>&1
command=$(printf ',%s' "$entrypoint" "$@")
in_cluster crane mutate --insecure --entrypoint "${command:1}" --user 65532 --set-platform $platform -t "$reference" "$reference" 2>/dev/null
