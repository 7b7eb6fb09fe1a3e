#!/usr/bin/env bash
# Installs, starts and stops a real Directus on PostgreSQL, without Docker.
#
#   run-directus.sh install       fetch and prepare everything (done by start when needed)
#   run-directus.sh start         start, wait until it answers, print its address
#   run-directus.sh stop          stop what start started
#   run-directus.sh restart       stop, then start (to take up a changed environment)
#   run-directus.sh status        exit 0 when it runs and answers
#   run-directus.sh logs [N]      last N lines of its log (default 50)
#   run-directus.sh roles NAME=UUID[:app|:admin] ...     make roles with known ids
#
# Settings, all from the environment:
#   DIRECTUS_DB_URL      postgres://... of an empty database, or one that it made (needed to start)
#   DIRECTUS_PORT        port                             (8055)
#   DIRECTUS_RUN         pid, log, keys, uploads          (CACHE/directus-run-PORT)
#   DIRECTUS_WAIT        seconds to wait for an answer    (180)
#   OSTIARY_TEST_CACHE   where the programs are kept      (~/.cache/ostiary-tests)
#   PUBLIC_URL           address browsers use             (http://127.0.0.1:PORT)
#   ADMIN_EMAIL, ADMIN_PASSWORD   first administrator     (admin@example.com, directus-admin)
# Everything else in the environment reaches Directus as it is: AUTH_PROVIDERS, AUTH_<NAME>_*,
# NODE_EXTRA_CA_CERTS, LOG_LEVEL, ...
set -euo pipefail

case ${1:-} in
  install|start|stop|restart|status|logs|roles) ;;
  *) sed -n '2,22p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 64 ;;
esac

# Newest release whose sign-in drivers work without a licence key. From version 12 on, Directus
# serves its OpenID routes only where a licence includes them.
DIRECTUS_VERSION=11.17.4
# Directus names isolated-vm 5, which must be compiled; 6.2 holds ready binaries for Node 22.
ISOLATED_VM_VERSION=6.2.0

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/services/common.sh
. "$here/../services/common.sh"
# shellcheck source=tests/services/node.sh
. "$here/../services/node.sh"

host=127.0.0.1
port=${DIRECTUS_PORT:-8055}
base=http://$host:$port
app=$cache/directus-$DIRECTUS_VERSION
cli=$app/node_modules/directus/cli.js
run=${DIRECTUS_RUN:-$cache/directus-run-$port}
pid_file=$run/directus.pid
log=$run/directus.log

install_app() {
  [ ! -e "$app/.complete" ] || return 0
  say "fetching Directus $DIRECTUS_VERSION (two to three minutes)"
  mkdir -p "$app"
  cat >"$app/package.json" <<JSON
{
  "private": true,
  "name": "directus-under-test",
  "type": "module",
  "overrides": { "isolated-vm": "$ISOLATED_VM_VERSION" }
}
JSON
  npm_add "$app" install --save-exact "directus@$DIRECTUS_VERSION"
  (cd "$app" && node -e '
    const { createRequire } = require("node:module");
    const from = createRequire(require.resolve("@directus/api", { paths: [process.cwd()] }));
    for (const name of ["isolated-vm", "argon2", "sharp"]) from(name);
  ') >>"$cache/install.log" 2>&1 || die "a native part does not load, see $cache/install.log"
  touch "$app/.complete"
}

do_install() {
  debian curl=curl
  node_install
  node_use
  (flock 9; install_app) 9>"$cache/.directus-lock"
}

started_at() { # the kernel's start time of a process: tells a reused pid apart
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  # shellcheck disable=SC2086
  set -- $stat
  [ "$1" != Z ] || return 1
  printf '%s\n' "${20}"
}

running() {
  [ -s "$pid_file" ] || return 1
  local birth now
  read -r pid birth <"$pid_file" || return 1
  now=$(started_at "$pid") || return 1
  [ "$now" = "$birth" ]
}

answers() { [ "$(curl -s -m 5 "$base/server/ping" 2>/dev/null)" = pong ]; }

prepare_env() {
  local keys=$run/keys.env
  if [ ! -e "$keys" ]; then
    (umask 077; printf 'KEY=%s\nSECRET=%s\n' "$(cat /proc/sys/kernel/random/uuid)" \
      "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$keys")
  fi
  local key secret
  key=$(sed -n 's/^KEY=//p' "$keys"); secret=$(sed -n 's/^SECRET=//p' "$keys")
  export KEY=${KEY:-$key} SECRET=${SECRET:-$secret}
  export HOST=$host PORT=$port PUBLIC_URL=${PUBLIC_URL:-$base}
  export ADMIN_EMAIL=${ADMIN_EMAIL:-admin@example.com} ADMIN_PASSWORD=${ADMIN_PASSWORD:-directus-admin}
  export TELEMETRY=${TELEMETRY:-false} LOG_STYLE=${LOG_STYLE:-raw}
  export NO_UPDATE_NOTIFIER=1
  export DB_CLIENT=pg DB_CONNECTION_STRING=${DIRECTUS_DB_URL:-}
  # An issuer under ".localhost" is unknown to Node's resolver on a plain Debian; the hook says why.
  # shellcheck disable=SC2089 # Node reads the quotes
  NODE_OPTIONS="${NODE_OPTIONS:+$NODE_OPTIONS }--require=\"${here%/*}/services/resolve-localhost.cjs\""
  # shellcheck disable=SC2090
  export NODE_OPTIONS
}

do_start() {
  [ -n "${DIRECTUS_DB_URL:-}" ] || die "set DIRECTUS_DB_URL to a PostgreSQL database"
  if running; then answers && { say "already runs, pid $pid" >&2; echo "$base"; return; }; die "pid $pid runs but does not answer"; fi
  if (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; then die "port $port is taken"; fi
  do_install >&2
  mkdir -p "$run"
  prepare_env
  cd "$run"
  mkdir -p uploads extensions
  [ -e package.json ] || printf '{"private":true,"name":"directus-run"}\n' >package.json
  # Sets up an empty database, applies missing migrations to an old one.
  node --no-node-snapshot "$cli" bootstrap >"$run/bootstrap.log" 2>&1 \
    || { tail -n 15 "$run/bootstrap.log" >&2; die "bootstrap failed, see $run/bootstrap.log"; }
  setsid nohup node --no-node-snapshot "$cli" start >"$log" 2>&1 </dev/null &
  pid=$!
  printf '%s %s\n' "$pid" "$(started_at "$pid" || echo gone)" >"$pid_file"
  local end=$((SECONDS + ${DIRECTUS_WAIT:-180}))
  until answers; do
    running || { tail -n 20 "$log" >&2; rm -f "$pid_file"; die "Directus ended, see $log"; }
    [ $SECONDS -lt $end ] || { do_stop; die "no answer in ${DIRECTUS_WAIT:-180} s, see $log"; }
    sleep 0.5
  done
  say "Directus $DIRECTUS_VERSION answers, pid $pid" >&2
  echo "$base"
}

do_stop() {
  if ! running; then rm -f "$pid_file"; return 0; fi
  kill -TERM "$pid"
  for _ in $(seq 1 60); do running || break; sleep 0.25; done
  if running; then say "pid $pid did not end, killing it" >&2; kill -KILL "$pid"; fi
  rm -f "$pid_file"
}

case $1 in
  install) do_install; say "Directus $DIRECTUS_VERSION is in $app" ;;
  start) do_start ;;
  stop) do_stop ;;
  restart) do_stop; do_start ;;
  status)
    if running && answers; then echo "running pid $pid at $base"
    elif running; then echo "starting or stuck, pid $pid"; exit 2
    else echo "stopped"; exit 3; fi ;;
  logs) tail -n "${2:-50}" "$log" ;;
  roles) shift; node_use; prepare_env; exec node "$here/seed-roles.mjs" "$base" "$@" ;;
esac
