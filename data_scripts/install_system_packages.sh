#!/bin/sh
# Debian and Ubuntu packages that the tests need: a browser, software OpenGL, a font, and a C++
# compiler with Python's headers for torch.compile.
# `make test` calls this; `make lab` needs none of them. Quick when they are there.
set -u
wanted="chromium libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri fonts-dejavu-core g++ python3-dev"

missing_packages() {
    for name in $wanted; do
        state=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)
        [ "$state" = installed ] || printf '%s ' "$name"
    done
}

give_up() {
    echo "system packages: $1" >&2
    echo "Tests of the browser, of rendering and of compiling are skipped where they miss one." >&2
    exit 3
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    give_up "this is not a Debian system; install Chromium and an OpenGL (EGL) driver yourself."
missing=$(missing_packages)
[ -z "$missing" ] && exit 0

begin=$(date +%s)
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    give_up "missing are $missing; run: sudo apt-get install $missing"
fi
echo "system packages: installing $missing"
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
# an old package list may name files that are gone: fetch a new one, then install
if ! { $as_root apt-get -q update && $as_root apt-get -q install -y --no-install-recommends $missing; } \
    >"$log" 2>&1; then
    tail -n 3 "$log" >&2
    rm -f "$log"
    give_up "apt-get could not install $missing"
fi
rm -f "$log"
missing=$(missing_packages)
[ -z "$missing" ] || give_up "apt-get ran, but $missing is still missing"
echo "system packages: done, $(($(date +%s) - begin)) s"
