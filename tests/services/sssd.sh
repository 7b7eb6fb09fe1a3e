# shellcheck shell=bash disable=SC2154
# SSSD and what it needs, unpacked beside the machine's own programs and never installed: the packages
# would change how this machine looks up its own users. Sourced after common.sh.
#
#   sssd_install   unpacks it into the cache, unless it is there
#   sssd_root      prints the folder

SSSD_PACKAGES='sssd-ldap sssd-tools libnss-sss libpam-sss pamtester nslcd libnss-ldapd libpam-ldapd'

sssd_root() { printf '%s/sssd-root\n' "$cache"; }

sssd_install() {
  debian unshare=util-linux openssl=openssl
  (
    flock 9
    local root debs deb
    root=$(sssd_root)
    [ ! -e "$root/.complete" ] || exit 0
    say "fetching SSSD"
    [ "$(id -u)" = 0 ] || die "the packages of SSSD are fetched by apt-get: run this as root once"
    debs=$cache/sssd-debs
    rm -rf "$root" "$debs"
    mkdir -p "$root" "$debs/partial"
    # shellcheck disable=SC2086
    { apt-get -o DPkg::Lock::Timeout=600 update -qq &&
      apt-get -o DPkg::Lock::Timeout=600 -o Dir::Cache::archives="$debs" install -y -qq \
        --no-install-recommends --download-only $SSSD_PACKAGES; } >>"$cache/install.log" 2>&1 </dev/null ||
      die "apt-get failed, see $cache/install.log"
    for deb in "$debs"/*.deb; do dpkg -x "$deb" "$root"; done
    # Debian's /lib is /usr/lib.
    if [ -d "$root/lib" ]; then cp -a "$root/lib/." "$root/usr/lib/"; rm -rf "${root:?}/lib"; fi
    rm -rf "$debs"
    touch "$root/.complete"
  ) 9>"$cache/.sssd-lock"
}
