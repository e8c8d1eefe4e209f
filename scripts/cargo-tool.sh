#!/bin/bash
# cargo-tool.sh NAME VERSION [CARGO_INSTALL_OPTION...]: prints the path of a cargo tool, after building it once into the cache.
set -euo pipefail
name=$1 version=$2
shift 2
root=${XDG_CACHE_HOME:-$HOME/.cache}/sealgate/tools/$name-$version
if [ ! -x "$root/bin/$name" ]; then
  echo "building $name $version (once; kept in $root)" >&2
  # Unoptimised: it runs for seconds, and builds in a third of the time.
  env -u CARGO_TARGET_DIR cargo install --quiet --locked --debug --root "$root" "$name@$version" "$@" >&2
fi
echo "$root/bin/$name"
