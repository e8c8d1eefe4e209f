#!/bin/bash
# install.sh PROGRAM=PACKAGE[,PACKAGE]...: installs the Debian packages of each program that is missing, or names them in one line.
# `cc` is there when it links a program, for which Debian wants more than the compiler; a PROGRAM with a slash is a file.
set -euo pipefail

links() {
  local program status=0
  program=$(mktemp)
  echo 'int main(void) { return 0; }' | cc -x c -o "$program" - 2>/dev/null || status=1
  rm -f "$program"
  return $status
}

is_there() {
  case $1 in
    cc) links ;;
    */*) [ -s "$1" ] ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
for wanted in "$@"; do
  if ! is_there "${wanted%%=*}"; then IFS=, read -ra packages <<<"${wanted#*=}"; missing+=("${packages[@]}"); fi
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing on this machine: ${missing[*]} (Debian names); install them and try again" >&2
  exit 1
fi
echo "installing ${missing[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
