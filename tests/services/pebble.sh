# shellcheck shell=bash disable=SC2154
# Pebble, the test authority of Let's Encrypt, from a newer Debian than this may be: bookworm's knows
# neither suggestions when to renew (RFC 9773) nor profiles. It is unpacked beside the machine's own
# programs, and apt's own sources, lists and caches are left alone. Sourced after common.sh, or run:
# then it prints the folder of the programs.
#
#   pebble_install   unpacks it into the cache, unless it is there; its version stands in .complete
#   pebble_folder    prints the folder of the programs

# The first one whose programs run here. (Trixie's knows no profiles, and has other options.)
PEBBLE_SUITES='testing sid'
PEBBLE_KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

pebble_root() { printf '%s/pebble\n' "$cache"; }
pebble_folder() { printf '%s/usr/bin\n' "$(pebble_root)"; }

# pebble_from SUITE FOLDER: fetches the package into FOLDER and unpacks it there, if apt finds it signed.
pebble_from() {
  local suite=$1 folder=$2 apt
  rm -rf "$folder"
  mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial"
  printf 'deb [signed-by=%s] http://deb.debian.org/debian %s main\n' "$PEBBLE_KEYS" "$suite" >"$folder/sources"
  apt=(apt-get -q -o "Dir::Etc::sourcelist=$folder/sources" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o "Dir::State=$folder/state" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$folder/cache"
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  "${apt[@]}" update && (cd "$folder" && "${apt[@]}" download pebble) &&
    dpkg -x "$folder"/pebble_*.deb "$folder" && "$folder/usr/bin/pebble" -help || return 1
  basename "$folder"/pebble_*.deb | cut -d_ -f2 >"$folder/.complete"
  rm -rf "$folder"/{state,cache,sources,pebble_*.deb}
}

pebble_install() {
  debian "$PEBBLE_KEYS=debian-archive-keyring"
  (
    flock 9
    local root suite
    root=$(pebble_root)
    [ ! -e "$root/.complete" ] || exit 0
    say "fetching Pebble"
    for suite in $PEBBLE_SUITES; do
      if pebble_from "$suite" "$root" >>"$cache/install.log" 2>&1 </dev/null; then exit 0; fi
    done
    die "Pebble could not be fetched, see $cache/install.log"
  ) 9>"$cache/.pebble-lock"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  # shellcheck source=tests/services/common.sh
  . "$(dirname "${BASH_SOURCE[0]}")/common.sh"
  pebble_install >&2
  pebble_folder
fi
