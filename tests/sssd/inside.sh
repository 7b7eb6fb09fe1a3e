#!/usr/bin/env bash
# Runs in a mount namespace of its own, where the machine looks up its users in Ostiary. Called by
# test.sh; prints "ok NAME" or "not ok NAME" for each thing that is asked.
#
#   inside.sh ROOT WORK WAY     SSSD's files, test.sh's folder, and rfc2307bis, rfc2307 or nslcd
set -uo pipefail
root=$1 work=$2 way=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# Nothing that is mounted or written from here on is seen outside.
mount --make-rprivate / || exit 1
mkdir -p "$work/inside" && mount -t tmpfs tmpfs "$work/inside" || exit 1
mkdir -p "$work"/inside/{etc,etc-work,var,var-work,run/nslcd}
mount -t overlay overlay -o "lowerdir=$root/usr:/usr" /usr || exit 1
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$work/inside/etc,workdir=$work/inside/etc-work" /etc || exit 1
mount -t overlay overlay -o "lowerdir=$root/var:/var,upperdir=$work/inside/var,workdir=$work/inside/var-work" /var || exit 1
mount --bind "$work/inside/run" /run || exit 1

daemon=
trap '[ -z "$daemon" ] || kill $daemon 2>/dev/null; wait 2>/dev/null; cat /var/log/sssd/*.log >>"$work/$way.log" 2>/dev/null' EXIT

use() { # use SOURCE MODULE: where users and passwords are looked up
  printf 'passwd: files %s\ngroup: files %s\nshadow: files %s\n' "$1" "$1" "$1" >/etc/nsswitch.conf
  printf '%s required %s\n' auth "$2" account "$2" password "$2" >/etc/pam.d/ostiary-test
}

# The example of the documentation, with this server's address and passwords, and without its patience.
start_sssd() {
  use sss pam_sss.so
  mkdir -p /etc/sssd
  sed -e "s|ldap://directory.example.org|$LDAP_URL|; s|dc=example,dc=org|dc=localhost|g" \
    -e "s|/etc/ssl/certs/ca-certificates.crt|$work/authority.pem|" \
    -e "s|the password of that account|$SSSD_PASSWORD|; s|^ldap_schema = .*|ldap_schema = $way|" \
    -e '/^\[domain/a entry_cache_timeout = 1\nldap_connection_expire_timeout = 5' \
    "$here/../../deploy/sssd.conf" >/etc/sssd/sssd.conf
  printf '[nss]\nmemcache_timeout = 0\nentry_negative_timeout = 0\n' >>/etc/sssd/sssd.conf
  chown 0:0 /etc/sssd/sssd.conf && chmod 600 /etc/sssd/sssd.conf
  sssd -i --logger=files -d 3 >"$work/$way.out" 2>&1 &
  daemon=$!
}

start_nslcd() {
  use ldap pam_ldap.so
  cat >/etc/nslcd.conf <<EOF
uid 0
gid 0
uri $LDAP_URL
base dc=localhost
binddn uid=sssd,ou=people,dc=localhost
bindpw $SSSD_PASSWORD
ssl start_tls
tls_reqcert demand
tls_cacertfile $work/authority.pem
nss_nested_groups yes
EOF
  chown 0:0 /etc/nslcd.conf && chmod 600 /etc/nslcd.conf
  nslcd -n >"$work/$way.out" 2>&1 &
  daemon=$!
}

check() { # check NAME COMMAND...: whether the command does what it should
  local name="$way: $1"
  shift
  if "$@" >"$work/inside/out" 2>&1; then printf 'ok %s\n' "$name"; else
    printf 'not ok %s\n# %s\n' "$name" "$*"
    sed 's/^/# /' "$work/inside/out"
  fi
}
is() { # is EXPECTED COMMAND...: what the command prints
  local expected=$1 got
  shift
  got=$("$@") || { echo "ended with $?: $got"; return 1; }
  [ "$got" = "$expected" ] || { printf 'expected %s\ngot      %s\n' "$expected" "$got"; return 1; }
}
soon() { # soon COMMAND...: tries for a while, since what was found is kept for a second
  for _ in $(seq 1 40); do
    if "$@"; then return 0; fi
    sleep 0.25
  done
  return 1
}
not() { ! "$@"; }
group() { getent group "$1" | sed 's/[^:]*$//'; }
members() { getent group "$1" | cut -d: -f4 | tr , '\n' | sort | paste -sd,; }
groups_of() { { id -nG "$1" 2>/dev/null || true; } | tr ' ' '\n' | sort | paste -sd,; }
out_of_crew() { [ "$(groups_of bob)" = "$BOB_GROUPS_AFTER" ]; }
pam() { # pam USER PASSWORD OPERATION: as login does it
  printf '%s\n' "$2" | pamtester ostiary-test "$1" "$3"
}
change_password() { # change_password USER OLD NEW: as that user, since root would not be asked for the old one
  printf '%s\n%s\n%s\n' "$2" "$3" "$3" |
    setpriv --reuid="$(id -u "$1")" --regid="$(id -g "$1")" --clear-groups pamtester ostiary-test "$1" chauthtok
}
sssctl_lets_in() {
  sssctl user-checks -s ostiary-test "$1" >"$work/inside/sssctl" 2>&1
  cat "$work/inside/sssctl"
  grep -q 'pam_acct_mgmt: Success' "$work/inside/sssctl"
}

# shellcheck source=/dev/null
. "$work/expected"
case $way in nslcd) start_nslcd ;; *) start_sssd ;; esac
soon getent passwd ada >/dev/null

check 'a person is found by name' is "ada:*:$ADA_UID:$ADA_UID:Ada Okafor:/home/ada:/bin/bash" getent passwd ada
check 'a person is found by number' is "ada:*:$ADA_UID:$ADA_UID:Ada Okafor:/home/ada:/bin/bash" getent passwd "$ADA_UID"
check 'home and shell of their own are shown' is "bob:*:$BOB_UID:$BOB_UID:bob:/srv/bob:/bin/zsh" getent passwd bob
check 'nobody is found who is not there' not getent passwd nobody-of-ours
check 'a group is found by name' is "crew:*:$CREW_GID:" group crew
check 'a group is found by number' is "crew:*:$CREW_GID:" group "$CREW_GID"
check 'a group has its members' is 'ada,bob' members crew
check 'a group has the members of groups in it' is 'ada,bob,carla' members everybody
check 'id knows the numbers of a person' is "$ADA_UID" id -u ada
check 'a person is in their groups' is "$ADA_GROUPS" groups_of ada
check 'a person is in groups through others' is "$BOB_GROUPS" groups_of bob
check 'the right password is taken, over StartTLS' pam ada "$ADA_PASSWORD" authenticate
check 'a wrong password is not' not pam ada 'not the password' authenticate
check 'an account that is open may come in' pam ada "$ADA_PASSWORD" acct_mgmt
check 'a closed account is not let in' not pam closed "$CLOSED_PASSWORD" authenticate
if [ "$way" != nslcd ]; then
  check 'a closed account is turned away without a password' not pam closed "$CLOSED_PASSWORD" acct_mgmt
  check 'SSH keys are handed out' is "$ADA_KEY" sss_ssh_authorizedkeys ada
  check 'sssctl finds the person and lets them in' sssctl_lets_in ada
fi
if [ "$way" = rfc2307bis ]; then
  check 'a password is changed by its owner' change_password dora "$DORA_PASSWORD" 'another long password'
  check 'the new password is taken' pam dora 'another long password' authenticate
fi
"$work/take-out" >/dev/null 2>&1
check 'whoever is taken out of a group is out of it' soon out_of_crew
