#!/bin/bash
# install.sh PROGRAM=PACKAGE...: installs the Debian package of each program that is missing, or names them in one line.
set -euo pipefail
missing=()
for wanted in "$@"; do command -v "${wanted%=*}" >/dev/null || missing+=("${wanted#*=}"); done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing on this machine: ${missing[*]} (Debian names); install them and try again" >&2
  exit 1
fi
echo "installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
