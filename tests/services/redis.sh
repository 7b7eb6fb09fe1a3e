# shellcheck shell=bash
# A private Redis server that keeps nothing. Sourced after common.sh.
#
#   redis_install       brings the program
#   redis_start FOLDER  starts a server, sets OSTIARY_TEST_REDIS
#   redis_stop          ends it
#
# It offers many numbered databases, so that every server under test can have one of its own:
# append the number to the address.

redis_install() {
  debian redis-server=redis-server
}

redis_start() {
  local port
  for _ in 1 2 3 4 5; do
    port=$(free_port)
    mkdir -p "$1/redis"
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --daemonize no \
      --databases 16384 --dir "$1/redis" --logfile "$1/redis/log" </dev/null >/dev/null 2>&1 &
    redis_pid=$!
    for _ in $(seq 1 100); do
      kill -0 "$redis_pid" 2>/dev/null || break
      if [ "$(redis-cli -h 127.0.0.1 -p "$port" ping 2>/dev/null)" = PONG ]; then
        export OSTIARY_TEST_REDIS=redis://127.0.0.1:$port
        say "Redis $(redis-server --version | sed 's/.* v=\([0-9.]*\).*/\1/') on 127.0.0.1:$port"
        return 0
      fi
      sleep 0.1
    done
    redis_stop
  done
  cat "$1/redis/log" >&2
  die "Redis did not start"
}

redis_stop() {
  [ -n "${redis_pid:-}" ] || return 0
  kill "$redis_pid" 2>/dev/null || true
  wait "$redis_pid" 2>/dev/null || true
  redis_pid=
}
