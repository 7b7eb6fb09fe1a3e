#!/usr/bin/env bash
# Loads and installs in the background what the tests need, while Cargo builds.
#
#   prepare.sh FOLDER PART ...
#
# Parts: programs (Debian packages, Pebble), python (python-ldap3, Caddy), sssd, tools (Node, Playwright, axe-core),
# directus, fonts (only for pictures). For each part FOLDER gets a file PART.done or PART.failed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for helper in common postgres redis python pebble sssd node; do
  # shellcheck disable=SC1090
  . "$here/$helper.sh"
done

programs() {
  postgres_install
  redis_install
  debian curl=curl systemd-socket-activate=systemd ldapwhoami=ldap-utils /usr/sbin/slapd=slapd /usr/bin/chromium=chromium /usr/sbin/knotd=knot \
    testssl=testssl.sh sslscan=sslscan certutil=libnss3-tools \
    openssl=openssl ip=iproute2 unshare=util-linux '/usr/lib/*/faketime/libfaketimeMT.so.1=libfaketime'
  pebble_install
}
python() { python_install; }
sssd() { sssd_install; }
tools() { node_install; tools_install; }
directus() { bash "$here/../directus/run-directus.sh" install; }
fonts() {
  debian '/usr/share/fonts/opentype/inter/*=fonts-inter' '/usr/share/fonts/truetype/nanum/*=fonts-nanum' \
    '/usr/share/fonts/truetype/noto/NotoSansArabic-*=fonts-noto-core'
}

folder=$1
shift
for part in "$@"; do
  if ("$part"); then touch "$folder/$part.done"; else touch "$folder/$part.failed"; fi
done
