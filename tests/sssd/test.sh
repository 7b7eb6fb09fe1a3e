#!/usr/bin/env bash
# SSSD, and nslcd, against a running Ostiary: people and groups for getent and id, passwords over StartTLS
# through PAM. Nothing of this machine's own users is touched: SSSD is unpacked beside, and seen in a mount
# namespace alone. Needs root, or user namespaces.
#
#   bash tests/sssd/test.sh          (`bash tests/run sssd` builds OSTIARY_BIN first)
#
# Prints a line for each thing that was asked; ends with status 1 when one is not as it should be.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.sh
. "$here/../services/common.sh"
# shellcheck source=tests/services/sssd.sh
. "$here/../services/sssd.sh"
sssd_install
ostiary=${OSTIARY_BIN:?the binary under test}
work=$(mktemp -d "${TMPDIR:-/tmp}/ostiary-sssd-XXXXXX")
chmod 755 "$work"
server=''
# shellcheck disable=SC2317,SC2329
cleanup() {
  [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT

certificate() { # an authority of this run's own, and what it issues
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=An authority of the tests' \
    -keyout "$work/authority.key" -out "$work/authority.pem"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=localhost' \
    -keyout "$work/key.pem" -out "$work/request.pem"
  printf 'subjectAltName=DNS:localhost,DNS:%s,IP:127.0.0.1\n' "$(uname -n)" >"$work/names"
  openssl x509 -req -in "$work/request.pem" -CA "$work/authority.pem" -CAkey "$work/authority.key" -CAcreateserial \
    -days 2 -extfile "$work/names" -out "$work/certificate.pem"
}
certificate >"$work/openssl.log" 2>&1 || { cat "$work/openssl.log"; die "no certificate could be made"; }

export OSTIARY_SERVER__DATA_DIR=$work/data OSTIARY_HTTP__LISTEN=127.0.0.1:0 OSTIARY_LDAP__LISTEN=127.0.0.1:0 \
  OSTIARY_LDAP__CERTIFICATE_FILE=$work/certificate.pem OSTIARY_LDAP__KEY_FILE=$work/key.pem \
  OSTIARY_LDAP__CLEAR_TEXT_FROM=192.0.2.1
"$ostiary" serve >"$work/ostiary.out" 2>"$work/ostiary.log" &
server=$!
for _ in $(seq 1 200); do
  ! grep -q '^ready in' "$work/ostiary.out" || break
  kill -0 "$server" 2>/dev/null || { cat "$work/ostiary.log"; die "Ostiary did not start"; }
  sleep 0.1
done
LDAP_URL=ldap://localhost:$(sed -nE 's|.*LDAP +ldap://[^ ]*:([0-9]+) .*|\1|p' "$work/ostiary.out" | head -n 1)
export LDAP_URL

person() { # person NAME PASSWORD ARGUMENT...
  local name=$1 password=$2
  shift 2
  printf '%s\n' "$password" | "$ostiary" user add "$name" --email "$name@example.tld" --password-stdin "$@" >>"$work/cli.log" 2>&1 ||
    { cat "$work/cli.log"; die "$name could not be added"; }
}
own() { "$ostiary" "$@" >>"$work/cli.log" 2>&1 || { tail -n 5 "$work/cli.log"; die "ostiary $* failed"; }; }
number() { # number user|group NAME KEY
  "$ostiary" "$1" show "$2" --json | sed -nE "s/.*\"$3\": *([0-9]+).*/\1/p" | head -n 1
}
export SSSD_PASSWORD='reads everything there is'
export ADA_PASSWORD='a lamp in the harbour' CLOSED_PASSWORD='was once let in here' DORA_PASSWORD='the door of dora'
export ADA_KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk4Wl1ad4gmNDqKcMb7QmVFlPvZbOJYv5nR4c5XgAAA ada@laptop'
own group add crew
own group add everybody
own group add-group everybody crew
person sssd "$SSSD_PASSWORD" --group lldap_strict_readonly
person ada "$ADA_PASSWORD" --given-name Ada --family-name Okafor --group crew
person bob 'the door of bob' --group crew
person carla 'the door of carla' --group everybody
person dora "$DORA_PASSWORD"
person closed "$CLOSED_PASSWORD"
own user change ada --set "sshPublicKey=$ADA_KEY"
own user change bob --set homeDirectory=/srv/bob --set loginShell=/bin/zsh
own user disable closed
ada=$(number user ada uid_number) bob=$(number user bob uid_number)
cat >"$work/expected" <<EOF
ADA_UID=$ada BOB_UID=$bob CREW_GID=$(number group crew gid_number)
ADA_GROUPS=ada,crew,everybody BOB_GROUPS=bob,crew,everybody BOB_GROUPS_AFTER=bob
EOF
printf '#!/bin/sh\nexec %s group remove-member crew bob\n' "$ostiary" >"$work/take-out"
chmod +x "$work/take-out"

space=(unshare --mount --propagation private)
[ "$(id -u)" = 0 ] || space=(unshare --map-root-user --mount)
failed=0
for way in rfc2307bis rfc2307 nslcd; do
  # SSSD makes a group of everybody's own; for nslcd it stays a number without a name.
  [ "$way" != nslcd ] || printf 'ADA_GROUPS=%s,crew,everybody BOB_GROUPS=%s,crew,everybody BOB_GROUPS_AFTER=%s\n' \
    "$ada" "$bob" "$bob" >>"$work/expected"
  if ! "${space[@]}" bash "$here/inside.sh" "$(sssd_root)" "$work" "$way" >"$work/result" 2>&1; then failed=1; fi
  cat "$work/result"
  if grep -q '^not ok' "$work/result" || ! grep -q '^ok' "$work/result"; then
    failed=1
    tail -n 60 "$work/$way.log" "$work/$way.out" "$work/ostiary.log" 2>/dev/null
  fi
  # What a round took away is there again for the next one.
  "$ostiary" group add-member crew bob >/dev/null 2>&1
done
exit $failed
