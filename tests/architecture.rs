//! The house rules of ARCHITECTURE.md as tests: in one crate nothing else keeps the rooms apart.
//!
//! Each guard lies in `architecture/rules.rs` and is shown to fail in `architecture/guards.rs`.

// Helpers of tests are tests as well; clippy sees only functions marked as such.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, missing_docs)]

#[path = "architecture/guards.rs"]
mod guards;
#[path = "architecture/house.rs"]
mod house;
#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use house::House;

/// A room imports only from rooms with a lower number.
const FLOORS: &[(&str, u8)] = &[
    ("main", 11),
    ("demo", 10),
    ("check", 9),
    ("daemon", 9),
    ("init", 9),
    ("routes", 9),
    ("cli", 8),
    ("config", 8),
    ("control", 7),
    ("egress", 7),
    ("ingest", 7),
    ("ingress", 7),
    ("ledger", 6),
    ("relay", 6),
    ("roster", 5),
    ("mail", 4),
    ("pgp", 3),
    ("mime", 2),
    ("policy", 2),
    ("credential", 1),
    ("dkim", 1),
    ("failpoint", 1),
    ("group", 1),
    ("id", 1),
    ("logging", 1),
    ("meter", 1),
    ("secret", 1),
    ("store", 1),
    ("swap", 1),
    ("vitals", 1),
    ("time", 0),
];

/// Each crate that does one of the house's works has one door.
const DOORS: &[(&str, &[&str])] = &[
    ("async_imap", &["ingress/imap"]),
    ("backon", &["ingress/imap"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/manual/"]),
    ("comfy_table", &["cli/"]),
    ("crc32fast", &["store/"]),
    ("csv", &["cli/roster/table.rs"]),
    ("csv", &["cli/roster/table.rs"]),
    ("dialoguer", &["cli/", "main.rs"]),
    ("getrandom", &["id"]),
    ("governor", &["ingress/rates"]),
    ("hickory_resolver", &["egress/"]),
    ("hmac", &["mail/tags.rs"]),
    ("http_body_util", &["daemon/", "egress/sts"]),
    ("hyper", &["daemon/", "egress/sts"]),
    ("hyper_util", &["daemon/", "egress/sts"]),
    ("idna", &["mail/address.rs"]),
    ("indicatif", &["cli/progress.rs"]),
    ("lettre", &["egress/"]),
    ("listenfd", &["ingress/inherited.rs"]),
    ("mail_auth", &["egress/"]),
    ("mail_parser", &["mime/read.rs"]),
    ("metrics_exporter_prometheus", &["daemon/"]),
    ("openssl", &["pgp/keyring/dkim.rs", "pgp/rsa.rs"]),
    ("redb", &["store/redb"]),
    ("rmp_serde", &["ledger/record.rs", "mail/arrival.rs"]),
    (
        "rustix",
        &[
            "check/",
            "control/server",
            "daemon/hygiene.rs",
            "demo",
            "ingress/maildir",
            "logging.rs",
            "store/disk.rs",
        ],
    ),
    ("rusqlite", &["cli/roster/schleuder.rs"]),
    ("rusqlite", &["cli/roster/schleuder.rs"]),
    ("rustls", &["egress/", "ingress/"]),
    ("rustls_native_certs", &["egress/", "ingress/imap/tls.rs"]),
    ("sequoia_openpgp", &["pgp/"]),
    ("sled", &["store/sled"]),
    ("smtp_proto", &["ingress/"]),
    ("tokio", &["cli/run/watch.rs", "control/", "daemon/", "demo", "egress/", "ingress/", "vitals.rs"]),
    ("tokio_rustls", &["egress/", "ingress/"]),
    ("tracing_subscriber", &["logging"]),
    ("zeroizing_alloc", &["main.rs"]),
    // Who may touch files: keys, settings, the store, sockets, and what the operator names on the command line.
    (
        "std::fs",
        &[
            "check/",
            "cli/input.rs",
            "cli/manual/mod.rs",
            "cli/roster/folder.rs",
            "cli/roster/folder.rs",
            "config/",
            "control/server",
            "credential.rs",
            "daemon/memory.rs",
            "daemon/web.rs",
            "demo",
            "group.rs",
            "ingress/guard.rs",
            "ingress/maildir/folder.rs",
            "ingress/socket.rs",
            "init.rs",
            "pgp/keyring",
            "store/",
            "swap.rs",
        ],
    ),
];

/// Who may look at plaintext, and what for.
const EXPOSE: &[(&str, &str)] = &[
    ("demo/announcement.rs", "hands in what an invented person wrote"),
    ("demo/copies.rs", "shows what an invented reader got"),
    ("demo/mails.rs", "writes what an invented person sends"),
    ("ingress/pickup.rs", "the header block says whom a fetched mail is for, and line ends are made CRLF"),
    ("ingest/message.rs", "a mail from a pipe, on its way to the daemon"),
    ("ingress/transaction.rs", "the outer structure alone decides what is refused in the session"),
    ("mail/arrival.rs", "envelope and message as one sequence of bytes"),
    ("mail/tags.rs", "a keyed digest of a fetched mail"),
    ("mime/write.rs", "header fields of the protected part"),
    ("pgp/keyring.rs", "the tag key, and DKIM's"),
    ("pgp/keyring/import.rs", "keys that are imported"),
    ("pgp/keyring/passphrase.rs", "a passphrase that was typed"),
    ("pgp/person.rs", "the mail program of an invented person: demo and tests"),
    ("pgp/possession.rs", "certificates and signed tokens that came with a command"),
    ("pgp/open.rs", "the signed parts of a payload"),
    ("pgp/seal.rs", "what is signed and encrypted"),
    ("pgp/verdict.rs", "what a detached signature covers"),
    ("relay/applicant.rs", "the form of an application, and a certificate beside it"),
    ("relay/bounce.rs", "the prose of a bounce, for its status"),
    ("relay/command.rs", "the line that holds a one-time token"),
    ("relay/compose.rs", "the payload becomes a part of the post"),
    ("relay/request.rs", "whether a mail to the relay itself asks for help alone"),
    ("relay/mod.rs", "the arrived message is scanned and parsed"),
    ("relay/letter.rs", "the outer header fields of the relay's own mail, which hold nothing of anyone's"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

static HOUSE: LazyLock<House> = LazyLock::new(|| House::read(&root().join("src")));

#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn rooms_import_only_from_lower_floors() {
    none(&rules::floors(&HOUSE, FLOORS));
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    none(&rules::circles(&HOUSE));
}

#[test]
fn each_crate_has_its_door() {
    none(&rules::doors(&HOUSE, DOORS));
}

#[test]
fn the_store_knows_nothing_of_ours() {
    let others: Vec<&str> = FLOORS.iter().map(|(room, _)| *room).filter(|room| *room != "store").collect();
    none(&rules::never_reaches(&HOUSE, &["store/"], &others));
}

#[test]
fn what_touches_disk_or_wire_cannot_name_plaintext() {
    let plaintext = ["secret.rs", "pgp/open.rs", "pgp/keyring"];
    none(&rules::never_reaches(&HOUSE, &["ledger/", "egress/"], &plaintext));
}

#[test]
fn what_decides_touches_nothing() {
    let pure = ["relay/", "roster/", "mail/", "mime/", "policy/"];
    let outside = ["store/", "ledger/", "tokio", "std::net", "std::fs", "std::env"];
    none(&rules::never_reaches(&HOUSE, &pure[1..], &outside));
    // Keys come from files, in one file of the room; the relay gets them unlocked.
    let outside = ["store/", "ledger/", "tokio", "std::net", "std::env"];
    none(&rules::never_reaches(&HOUSE, &["relay/", "pgp/"], &outside));
}

#[test]
fn one_clock_is_asked() {
    none(&rules::doors(&HOUSE, &[("SystemTime", &["time.rs"])]));
    let asks = ["Timestamp::now", "Zoned::now", "SystemTime::now"];
    let outside = |file: &str| HOUSE.outside(file).into_iter().filter(|name| asks.contains(&name.as_str()));
    let found = HOUSE.product().filter(|(file, _)| *file != "time.rs");
    none(&found.flat_map(|(file, _)| outside(file).map(move |n| format!("{file}: {n}"))).collect::<Vec<_>>());
    none(&rules::only_imported_by(&only("SystemClock"), &["time.rs"], &["daemon/", "main.rs", "demo"]));
}

/// The house, of which only the files remain that name `word`, and time.
fn only(word: &str) -> House {
    let named = HOUSE.product().filter(|(file, f)| {
        let names = |p: &source::Named| p.segments.iter().any(|s| s == word);
        matches!(*file, "lib.rs" | "main.rs" | "time.rs") || f.parsed.paths.iter().any(names)
    });
    House::of(named.map(|(file, f)| (file.to_owned(), f.text.clone())))
}

#[test]
fn the_front_door_can_seal_and_not_read() {
    none(&rules::never_reaches(&HOUSE, &["ingress/"], &["pgp/open.rs", "relay/"]));
}

#[test]
fn what_a_pipe_runs_has_neither_keys_nor_store() {
    let others = [
        "store/", "ledger/", "control/", "ingress/", "egress/", "pgp/", "relay/", "config/", "std::fs",
        "tokio",
    ];
    none(&rules::never_reaches(&HOUSE, &["ingest/"], &others));
}

#[test]
fn the_courier_carries_and_does_not_know_the_list() {
    none(&rules::never_reaches(&HOUSE, &["egress/"], &["relay/"]));
    // What a roster change is the journal tells; nobody else between courier and roster does.
    let ours = ["cli/", "control/", "daemon/", "demo", "ledger/", "main.rs", "relay/"];
    none(&rules::only_imported_by(&HOUSE, &["roster/"], &ours));
}

#[test]
fn the_command_line_knows_the_socket_only() {
    let rooms: Vec<&str> = FLOORS.iter().map(|(room, _)| *room).collect();
    let may = ["cli", "control", "id", "mail", "time"];
    let others: Vec<&str> = rooms.into_iter().filter(|room| !may.contains(room)).collect();
    none(&rules::never_reaches(&HOUSE, &["cli/"], &others));
    let daemon_side = ["control/desk", "control/server"];
    none(&rules::never_reaches(&HOUSE, &["cli/"], &daemon_side));
}

#[test]
fn the_roof_is_not_imported_from_below() {
    none(&rules::only_imported_by(
        &HOUSE,
        &["config/"],
        &["main.rs", "demo", "init", "check/", "daemon/", "routes"],
    ));
    none(&rules::only_imported_by(&HOUSE, &["cli/", "daemon/"], &["main.rs"]));
}

#[test]
fn neighbours_do_not_know_each_other() {
    for [one, other] in [["ingress/", "egress/"], ["relay/", "ledger/"], ["control/", "ingress/"]] {
        none(&rules::never_reaches(&HOUSE, &[one], &[other]));
        none(&rules::never_reaches(&HOUSE, &[other], &[one]));
    }
}

#[test]
fn every_mail_and_every_payload_is_scanned_before_it_is_read() {
    // Only the scan can make a `Scanned`: its field is private.
    none(&rules::takes(&HOUSE, &["mime/read.rs", "mime/report.rs"], "Scanned<"));
    // What walks bytes that nobody scanned walks within limits of its own.
    none(&rules::only_in(&HOUSE, "Entity::within(", &["mime/ciphertext.rs", "mime/scan.rs"]));
    none(&rules::only_in(&HOUSE, "tree::walk(", &["mime/entity.rs", "mime/scan.rs", "mime/shape.rs"]));
    // The library's own tree of parts is built nowhere.
    none(&rules::only_in(&HOUSE, "MessageParser", &[]));
}

#[test]
fn a_trait_exists_where_a_second_implementation_does() {
    // `Kept` is what stands on the ledger's shelves.
    let wanted = [
        ("ledger/shelf.rs", "Kept"),
        ("store/change.rs", "Tables"),
        ("store/contract.rs", "Store"),
        ("time.rs", "Clock"),
    ];
    none(&rules::traits(&HOUSE, &wanted));
}

#[test]
fn plaintext_is_looked_at_where_the_list_says() {
    none(&rules::callers(&HOUSE, "expose", EXPOSE));
}

#[test]
fn nothing_ends_the_process_in_passing() {
    none(&rules::uncalled(&HOUSE, &["unwrap", "expect"]));
}

#[test]
fn files_and_functions_stay_small() {
    none(&rules::sizes(&HOUSE, 400, 70));
}

#[test]
fn every_file_belongs_to_the_house_and_says_what_it_is_for() {
    none(&HOUSE.orphans());
    none(&rules::heads(&HOUSE));
}

#[test]
fn unsafe_code_is_forbidden() {
    for file in ["lib.rs", "main.rs"] {
        assert!(HOUSE.files[file].text.contains("\n#![forbid(unsafe_code)]\n"), "{file}");
    }
}

#[test]
fn the_map_shows_every_room() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    none(&rules::map(&HOUSE, &text, 200));
}

#[test]
fn the_repository_stands_alone() {
    // In pieces, so that this file does not find itself.
    let forbidden =
        [concat!("/wo", "rk/"), concat!("/tmp/", "w/"), concat!("sha", "red/"), concat!("DES", "IGN")];
    let texts: Vec<(String, String)> = everything().into_iter().filter_map(read).collect();
    assert!(texts.len() > 100, "only {} files were found", texts.len());
    none(&rules::words(&texts, &forbidden.map(str::to_owned)));
}

fn read(path: PathBuf) -> Option<(String, String)> {
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    std::fs::read_to_string(path).ok().map(|text| (name, text))
}

/// The files of the repository that people write.
fn everything() -> Vec<PathBuf> {
    let mut open = vec![root().to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name();
            if matches!(name.to_str(), Some("target" | ".git" | "Cargo.lock" | "corpus" | "corpus-run")) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path())
            } else {
                found.push(entry.path())
            }
        }
    }
    found
}
