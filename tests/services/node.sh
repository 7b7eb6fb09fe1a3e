# shellcheck shell=bash disable=SC2154,SC2030,SC2031
# Node and the packages that drive the browser. Sourced after common.sh.
#
#   node_install    Node 22 (Directus asks for it), from npm unless that very version is there
#   tools_install   the packages of tests/browser/package.json, into the cache
#   node_use        puts both within reach: PATH, OSTIARY_TEST_NODE_MODULES
#
# Install scripts of packages never run: several of them would load programs from elsewhere.

NODE_VERSION=22.23.3
NODE_MODULES_ABI=127
tools_source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../browser" && pwd)

# npm_add FOLDER ARGUMENT...: npm in a folder of the cache, quietly, with the Node that npm came with.
npm_add() {
  local folder=$1
  shift
  (cd "$folder" && PATH=${PATH//"$(node_folder):"/} && nice npm "$@" --ignore-scripts --no-audit --no-fund --loglevel=error) \
    >>"$cache/install.log" 2>&1 </dev/null || die "npm $* failed, see $cache/install.log"
}

node_folder() {
  if command -v node >/dev/null && [ "$(node -p process.versions.modules)" = $NODE_MODULES_ABI ]; then
    dirname "$(command -v node)"
  else
    printf '%s\n' "$cache/node/node_modules/node-linux-$(node_arch)/bin"
  fi
}

node_arch() { case $(uname -m) in aarch64) echo arm64 ;; *) echo x64 ;; esac; }

node_install() {
  debian npm=npm node=nodejs
  (
    flock 9
    [ ! -x "$(node_folder)/node" ] || exit 0
    say "fetching Node $NODE_VERSION"
    mkdir -p "$cache/node"
    printf '{"private":true,"name":"ostiary-tests-node"}\n' >"$cache/node/package.json"
    npm_add "$cache/node" install --save-exact "node-linux-$(node_arch)@$NODE_VERSION"
  ) 9>"$cache/.node-lock"
}

# One folder for each state of the lock file, so that two checkouts can share a cache.
tools_folder() {
  printf '%s/tools-%s\n' "$cache" "$(sha256sum "$tools_source/package-lock.json" | cut -c1-12)"
}

tools_install() {
  local folder
  folder=$(tools_folder)
  (
    flock 9
    [ ! -e "$folder/.complete" ] || exit 0
    say "fetching playwright-core and axe-core"
    mkdir -p "$folder"
    cp "$tools_source/package.json" "$tools_source/package-lock.json" "$folder/"
    npm_add "$folder" ci
    touch "$folder/.complete"
  ) 9>"$cache/.tools-lock"
}

node_use() {
  PATH=$(node_folder):$PATH
  OSTIARY_TEST_NODE_MODULES=$(tools_folder)/node_modules
  export PATH OSTIARY_TEST_NODE_MODULES
}
