# shellcheck shell=bash
# A private PostgreSQL cluster in a temporary folder. Sourced after common.sh.
#
#   postgres_install       brings the program
#   postgres_start FOLDER  starts a cluster in FOLDER/postgres, sets OSTIARY_TEST_POSTGRES
#   postgres_stop FOLDER   ends it
#
# Writes reach the disk as in production (fsync stays on): the tests that kill the server and then
# count what it had acknowledged would mean nothing otherwise.

postgres_install() {
  debian '/usr/lib/postgresql/*/bin/initdb=postgresql'
}

# The newest of Debian's versions. Never what PATH happens to offer: that may be a wrapper.
postgres_bin() {
  local newest
  newest=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
  [ -n "$newest" ] || die "no PostgreSQL server under /usr/lib/postgresql"
  dirname "$newest"
}

# PostgreSQL refuses to run as root.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
  else
    "$@"
  fi
}

postgres_start() {
  local folder=$1/postgres bin port password
  bin=$(postgres_bin)
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  chmod 711 "$1"
  mkdir -p "$folder"
  printf '%s\n' "$password" >"$folder/password"
  [ "$(id -u)" != 0 ] || chown -R postgres: "$folder"
  chmod 700 "$folder"
  as_postgres "$bin/initdb" -D "$folder/data" -U postgres -A scram-sha-256 --pwfile="$folder/password" \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$1/initdb.log" 2>&1 ||
    { cat "$1/initdb.log" >&2; die "initdb failed"; }
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    if as_postgres "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 -s start \
      -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c max_connections=200" \
      >/dev/null 2>&1; then
      export OSTIARY_TEST_POSTGRES=postgres://postgres:$password@127.0.0.1:$port/postgres
      say "PostgreSQL $("$bin/postgres" -V | sed 's/.*) \([0-9.]*\).*/\1/') on 127.0.0.1:$port"
      export PATH=$bin:$PATH
      return 0
    fi
  done
  cat "$folder/log" >&2
  die "PostgreSQL did not start"
}

postgres_stop() {
  [ -s "$1/postgres/data/postmaster.pid" ] || return 0
  as_postgres "$(postgres_bin)/pg_ctl" -D "$1/postgres/data" -m immediate -w -t 30 -s stop >/dev/null 2>&1 || true
}
