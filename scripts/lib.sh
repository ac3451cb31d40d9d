# Functions that the scripts share. Source this from the repository's root.

step() { printf '\n== %s\n' "$*"; }
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

need_rust() {
    command -v cargo >/dev/null 2>&1 ||
        fail "Rust is missing: install it from https://rustup.rs, then run this again."
}

need_node() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 ||
        fail "Node is missing: install version 20 or newer from https://nodejs.org, then run this again."
    local version
    version=$(node --version)
    version=${version#v}
    [ "${version%%.*}" -ge 20 ] ||
        fail "Node $version is too old: version 20 or newer is needed (https://nodejs.org)."
}

# Installs the page's build tools, unless the installed ones are as new as the lock file.
web_install() {
    local installed=web/node_modules/.package-lock.json
    if [ ! -e "$installed" ] || [ web/package-lock.json -nt "$installed" ]; then
        step "installing the page's build tools"
        (cd web && npm ci --no-audit --no-fund)
    fi
}

# Builds the page, unless it is newer than all of its sources.
web_build() {
    web_install
    local page=web/dist/index.html
    if [ ! -e "$page" ] || [ -n "$(find web -path web/node_modules -prune -o \
        -path web/dist -prune -o -path 'web/*/dist' -prune -o -type f -newer "$page" -print)" ]; then
        step "building the page"
        (cd web && npm run --silent build)
    fi
}

# Installs Debian's Pebble where possible; elsewhere the tests that need it are skipped.
want_pebble() {
    if ! command -v pebble >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        step "installing pebble"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq pebble >/dev/null
    fi
    if command -v pebble >/dev/null 2>&1; then
        export GPYS_REQUIRE_PEBBLE=1
    fi
}

# Installs Debian's nginx, Caddy and HAProxy where possible; elsewhere the tests that need them are
# skipped.
want_proxies() {
    local all=(nginx caddy haproxy) missing=() proxy
    for proxy in "${all[@]}"; do
        command -v "$proxy" >/dev/null 2>&1 || missing+=("$proxy")
    done
    if [ "${#missing[@]}" -gt 0 ] && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        step "installing ${missing[*]}"
        apt-get update -qq
        # Do not start their services: the tests do not need them, and their ports may be taken.
        DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
            apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    fi
    if command -v nginx && command -v caddy && command -v haproxy; then
        export GPYS_REQUIRE_PROXIES=1
    fi >/dev/null 2>&1
}

# Finds Chromium, or installs Debian's where possible.
need_chromium() {
    CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
    if [ -z "$CHROMIUM" ] && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        step "installing chromium"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
        CHROMIUM=$(command -v chromium || true)
    fi
    [ -n "$CHROMIUM" ] ||
        fail "Chromium is missing: install it (Debian: apt-get install chromium), then run this again."
    export CHROMIUM
}
