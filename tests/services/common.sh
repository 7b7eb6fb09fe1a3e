# shellcheck shell=bash
# Words, waiting, free ports and Debian packages for the test scripts. Sourced, not run.
#
#   OSTIARY_TEST_CACHE   where everything that is loaded is kept
#                        (${XDG_CACHE_HOME:-$HOME/.cache}/ostiary-tests)
#   OSTIARY_TEST_BEGAN   second from which the elapsed time in each line is counted (now)

cache=${OSTIARY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ostiary-tests}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
export OSTIARY_TEST_CACHE=$cache
export OSTIARY_TEST_BEGAN=${OSTIARY_TEST_BEGAN:-$(date +%s)}

say() { printf '[%4d s] %s\n' $(($(date +%s) - OSTIARY_TEST_BEGAN)) "$*"; }
die() { say "$*" >&2; exit 1; }

# free_port: prints a port that nobody listens on, below the range the kernel hands out itself.
# Somebody else may still take it first, so whoever starts a server tries again with another.
free_port() {
  local port
  while :; do
    port=$((10000 + (RANDOM << 15 | RANDOM) % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  printf '%s\n' "$port"
}

# debian PROGRAM=PACKAGE ...: installs the packages whose program is not there yet. PROGRAM is a
# command, a path, or a pattern of paths. The services that some packages bring are not started:
# the tests run their own.
debian() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || compgen -G "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || die "install these first, or run as root: ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  local policy=/usr/sbin/policy-rc.d ours='' failed=''
  export DEBIAN_FRONTEND=noninteractive
  (
    flock 9
    if [ ! -e "$policy" ]; then
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod 755 "$policy"
      ours=1
    fi
    { apt-get -o DPkg::Lock::Timeout=600 update -qq &&
      apt-get -o DPkg::Lock::Timeout=600 install -y -qq --no-install-recommends "${missing[@]}"; } || failed=1
    [ -z "$ours" ] || rm -f "$policy"
    [ -z "$failed" ]
  ) 9>"$cache/.debian-lock" >>"$cache/install.log" 2>&1 </dev/null ||
    die "apt-get failed, see $cache/install.log"
}
