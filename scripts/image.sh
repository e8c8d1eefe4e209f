#!/bin/bash
# image.sh [--check|--program]: the image of the Dockerfile as an OCI layout in dist/image, without a container engine: one layer with the static
# program and the CA file. Prints its digest.
#
# The same sources, toolchain and CA file give the same digest on any machine: dependencies are locked, paths of the machine
# are mapped away, the archive is sorted and knows no time (but SOURCE_DATE_EPOCH, 0 where not set) and no owner.
#   SEALGATE_BINARY=FILE  packs this program instead of building one
#   SEALGATE_CA=FILE      packs these CAs instead of Debian's
#   OUT=DIRECTORY         writes there instead of dist/image
# --check makes it a second time, from a copy of the sources in another folder, and fails when the digests differ; --program builds
# the static program alone and prints its path.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-dist/image}
epoch=${SOURCE_DATE_EPOCH:-0}
version=$(awk -F '"' '/^version = /{print $2; exit}' Cargo.toml)

# Builds the static program; prints its path.
build() {
  local target cargo=${CARGO_HOME:-$HOME/.cargo} built=${CARGO_TARGET_DIR:-$PWD/target} map
  target=$(rustc -vV | awk '/^host: /{print $2}')
  # Not of the folder of the sources: their paths are relative, and another folder would build everything anew.
  for map in "$built=/target" "$cargo=/cargo"; do
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$map"
    CFLAGS="${CFLAGS:-} -ffile-prefix-map=$map"
  done
  export RUSTFLAGS="$RUSTFLAGS -C target-feature=+crt-static" CFLAGS SOURCE_DATE_EPOCH=$epoch
  echo "image: building the static program for $target" >&2
  cargo build --quiet --locked --release --bin sealgate --target "$target" >&2
  echo "$built/$target/release/sealgate"
}

# The program is compiled again, and packed again.
check() {
  local first second copy
  first=$(scripts/image.sh)
  copy=$(mktemp -d)
  # shellcheck disable=SC2064 # this folder, not a later one
  trap "rm -rf '$copy'" EXIT
  git ls-files -z | xargs -0 cp --parents --target-directory "$copy"
  second=$(cd "$copy" && env -u OUT CARGO_TARGET_DIR="$copy/target" scripts/image.sh)
  if [ "$first" != "$second" ]; then
    echo "image: made twice, and they differ: $first and $second" >&2
    exit 1
  fi
  echo "image: made twice, in two folders, with the same digest" >&2
  echo "$first"
}

# blob FILE: moves it to where its digest says; prints the digest.
blob() {
  local digest
  digest=$(sha256sum <"$1" | cut -d ' ' -f 1)
  mv "$1" "$work/layout/blobs/sha256/$digest"
  echo "sha256:$digest"
}

size() { stat -c %s "$work/layout/blobs/sha256/${1#sha256:}"; }

case ${1:-} in
  "") ;;
  --check) check; exit ;;
  --program) build; exit ;;
  *) echo "usage: image.sh [--check|--program]" >&2; exit 2 ;;
esac

program=${SEALGATE_BINARY:-$(build)}
ca=${SEALGATE_CA:-/etc/ssl/certs/ca-certificates.crt}
scripts/install.sh "$ca=ca-certificates"
case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) echo "image: unknown architecture $(uname -m)" >&2; exit 1 ;;
esac

umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/etc/ssl/certs" "$work/layout/blobs/sha256"
install -m 0755 "$program" "$work/root/sealgate"
install -m 0644 "$ca" "$work/root/etc/ssl/certs/ca-certificates.crt"
chmod 0755 "$work/root" "$work/root/etc" "$work/root/etc/ssl" "$work/root/etc/ssl/certs"
tar -C "$work/root" --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" etc sealgate
diff_id=sha256:$(sha256sum <"$work/layer.tar" | cut -d ' ' -f 1)
gzip -n -9 "$work/layer.tar"
layer=$(blob "$work/layer.tar.gz")

created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
labels='"org.opencontainers.image.title":"sealgate","org.opencontainers.image.licenses":"Apache-2.0","org.opencontainers.image.version":"'$version'"'
printf '{"created":"%s","architecture":"%s","os":"linux","config":{"User":"65532:65532","Env":["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],"Entrypoint":["/sealgate"],"Labels":{%s}},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
  "$created" "$architecture" "$labels" "$diff_id" >"$work/config.json"
config=$(blob "$work/config.json")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"%s","size":%s}]}' \
  "$config" "$(size "$config")" "$layer" "$(size "$layer")" >"$work/manifest.json"
manifest=$(blob "$work/manifest.json")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":%s,"platform":{"architecture":"%s","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
  "$manifest" "$(size "$manifest")" "$architecture" "$version" >"$work/layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$work/layout/oci-layout"

rm -rf "$out"
mkdir -p "$(dirname "$out")"
cp -r "$work/layout" "$out"
echo "image: $out, $(($(size "$layer") / 1024)) KiB compressed" >&2
echo "$manifest"
