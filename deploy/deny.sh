#!/bin/sh
# Checks bans, licences and sources of all dependencies; advisories too where a database is at hand.
set -eu

if ! command -v cargo-deny >/dev/null 2>&1; then
    echo "deny.sh: cargo-deny is missing; installing it with cargo (some minutes)"
    cargo install cargo-deny --locked
fi
cargo deny --all-features check bans licenses sources

# cargo-deny keeps its database under $CARGO_HOME/advisory-dbs, cargo-audit under $CARGO_HOME/advisory-db.
home=${CARGO_HOME:-$HOME/.cargo}
if [ -d "$home/advisory-dbs" ] || [ -d "$home/advisory-db" ]; then
    cargo deny --offline check advisories
else
    echo "deny.sh: advisories were NOT checked: no database under $home (cargo deny fetch makes one)"
fi
