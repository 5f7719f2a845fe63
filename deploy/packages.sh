#!/bin/sh
# Installs the Debian packages that a purpose needs, and says so; without root it says what is missing and how to get it.
# Usage: deploy/packages.sh [build] [test] [bench] [lint] [fuzz]
set -eu

# build: OpenSSL is built from source (cc, perl, make), its bindings are made by libclang.
build_packages="gcc libc6-dev make perl clang libclang-dev"
# test: OpenPGP and mail peers that the tests talk to, and Mutt, which many members read with; setpriv (util-linux) drops
# rights for the daemon under test, script (bsdutils) gives a program a terminal, kill (procps) ends it; systemd-analyze
# reads the unit, a container (systemd-container) runs it; disks that fill up, fail or lose their power are images
# (e2fsprogs, xfsprogs, mount), and strace sees what is written when; faketime moves
# the clock of a running daemon. man and groff render
# the manual pages, zsh and fish read their completions; dkimpy (python3-dkim, with its keys of Ed25519) verifies signatures.
test_packages="gnupg sq postfix dovecot-core dovecot-imapd swaks libnet-ssleay-perl mutt bsdutils procps util-linux systemd systemd-sysv
    systemd-container e2fsprogs xfsprogs mount strace faketime man-db groff-base zsh fish
    python3-dkim python3-nacl python3-dnspython"
# bench: smtp-sink and smtp-source.
bench_packages="postfix procps util-linux"
lint_packages=""
# fuzz: libFuzzer is built from source.
fuzz_packages="g++"

missing=""
for purpose in "$@"; do
    case "$purpose" in
        build) wanted=$build_packages ;;
        test) wanted=$test_packages ;;
        bench) wanted=$bench_packages ;;
        lint) wanted=$lint_packages ;;
        fuzz) wanted=$fuzz_packages ;;
        *) echo "packages.sh: unknown purpose '$purpose'; use build, test, bench, lint or fuzz" >&2; exit 64 ;;
    esac
    for package in $wanted; do
        status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        [ "$status" = "install ok installed" ] || missing="$missing $package"
    done
done

if ! command -v cargo >/dev/null 2>&1; then
    echo "packages.sh: the Rust toolchain is missing (cargo, 1.95 or later); install it with rustup" >&2
    exit 69
fi
[ -n "$missing" ] || exit 0

echo "packages.sh: these Debian packages are missing:$missing"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "packages.sh: this is no Debian; install what provides them by your system's own means" >&2
    exit 69
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "packages.sh: installing needs root; run:" >&2
    echo "    sudo apt-get update && sudo apt-get install --no-install-recommends$missing" >&2
    # The peers of the tests may be missing on a developer's machine: those tests then say that they are skipped.
    # A continuous integration run has no such excuse.
    [ "$*" = "test" ] && [ "${CI:-}" != "true" ] && exit 0
    exit 77
fi
echo "packages.sh: installing them with apt-get"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # one word for each package is meant
apt-get install -y -qq --no-install-recommends $missing
