#!/bin/sh
# Fuzzes every target of tests/fuzz for FUZZ_SECONDS each (600), FUZZ_JOBS of them at a time (as many as there are
# cores). A finding is left under tests/fuzz/findings, where tests/regress.rs replays it until it is fixed and ever after.
# Usage: deploy/fuzz.sh [TARGET]...
set -eu

version=0.13.2
CARGO=${CARGO:-cargo}
cd "$(dirname "$0")/../tests/fuzz"
export CARGO_TARGET_DIR="$PWD/target"
if [ "$($CARGO fuzz --version 2>/dev/null)" != "cargo-fuzz $version" ]; then
    echo "fuzz.sh: cargo-fuzz $version is missing; installing it with cargo (a minute)"
    $CARGO install cargo-fuzz --version "$version" --locked
fi

# No sanitizer: none of our code is unsafe, and what overflows or is out of bounds panics. The coverage that libFuzzer
# goes by is of the stable compiler; cargo-fuzz asks for more than it needs.
#
# OpenSSL is C and the same for everybody: what the program's own build made of it last saves two minutes here.
made=$(ls -td ../../target/*/build/openssl-sys-*/out/openssl-build/install 2>/dev/null | head -n 1)
if [ -d "$made/lib" ]; then
    export OPENSSL_NO_VENDOR=1 OPENSSL_STATIC=1 OPENSSL_DIR="$(cd "$made" && pwd)"
fi
host=$(rustc -vV | sed -n 's/^host: //p')
began=$(date +%s)
# cargo-fuzz has no --locked: whether the lock fits is asked before.
# shellcheck disable=SC2086 # one word for each flag is meant
$CARGO metadata --locked ${CARGO_FLAGS:-} --format-version 1 >/dev/null
RUSTC_BOOTSTRAP=1 $CARGO fuzz build --fuzz-dir . --sanitizer none --codegen-units 16
echo "fuzz.sh: built in $(($(date +%s) - began)) s"

targets=$*
[ -n "$targets" ] || targets=$($CARGO fuzz list --fuzz-dir .)
[ -n "$targets" ] || { echo "fuzz.sh: there are no targets" >&2; exit 1; }
FUZZ_SECONDS=${FUZZ_SECONDS:-600}
FUZZ_JOBS=${FUZZ_JOBS:-$(nproc)}
programs=target/$host/release
export FUZZ_SECONDS programs

# One target: where it starts from are the seeds, what former runs found interesting, and mails and settings of other tests.
# shellcheck disable=SC2016 # the inner shell expands it
one='
    target=$1
    mkdir -p "corpus-run/$target" "findings/$target"
    case $target in
        mime_*|structure) more=../returned ;;
        config) more="../../config ../../config/policies" ;;
        *) more= ;;
    esac
    dictionary=
    [ ! -e "words/$target" ] || dictionary=-dict=words/$target
    log=corpus-run/$target.log
    if "$programs/$target" -max_total_time="$FUZZ_SECONDS" -timeout=5 -rss_limit_mb=1024 -max_len=8192 \
        -print_final_stats=1 -artifact_prefix="findings/$target/" $dictionary \
        "corpus-run/$target" "seeds/$target" $more >"$log" 2>&1
    then
        rmdir "findings/$target" 2>/dev/null || true
        runs=$(sed -n "s/^stat::number_of_executed_units: *//p" "$log")
        coverage=$(sed -n "s/.* cov: \([0-9]*\) .*/\1/p" "$log" | tail -n 1)
        echo "fuzz.sh: $target: $runs runs in $FUZZ_SECONDS s, $coverage edges, nothing found"
    else
        tail -n 40 "$log"
        echo "fuzz.sh: $target: FOUND SOMETHING; see tests/fuzz/findings/$target"
        exit 1
    fi
'
# shellcheck disable=SC2086 # one word for each target is meant
printf '%s\n' $targets | xargs -P "$FUZZ_JOBS" -I '{}' sh -c "$one" sh '{}'
