//! A list of Schleuder: its subscriptions, from the SQLite database, and where its GnuPG home lies.
//!
//! The tables are those of Schleuder 3 to 5 (`db/schema.rb`): `lists(id, email, fingerprint, …)` and
//! `subscriptions(list_id, email, fingerprint, admin, delivery_enabled, …)`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

/// The largest value that is read, in bytes.
const MAX_CELL: i32 = 1 << 20;

/// A subscription as it stands there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) email: String,
    /// As written there; empty where there is none.
    pub(super) fingerprint: String,
    pub(super) admin: bool,
    pub(super) delivery: bool,
}

/// A list of Schleuder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct List {
    /// Its address.
    pub(super) email: String,
    /// Who is subscribed, by address.
    pub(super) subscriptions: Vec<Subscription>,
}

/// Why a database cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoList {
    /// Changes wait beside the file, and would be missed.
    #[error("Schleuder is changing the database at this moment, or was interrupted: see {0}")]
    InUse(PathBuf),
    /// SQLite cannot read it, or its tables are others.
    #[error("it is no database of Schleuder: {0}")]
    Database(#[from] rusqlite::Error),
    /// Its tables are not there.
    #[error("it is no database of Schleuder: it has no tables lists and subscriptions")]
    Tables,
    /// There are several lists, or none of that address.
    #[error("{}", of_which(.0))]
    Which(Vec<String>),
}

fn of_which(lists: &[String]) -> String {
    match lists {
        [] => "it has no list".to_owned(),
        lists => format!("it has the lists {}", lists.join(", ")),
    }
}

/// Reads one list: the one of this address, or the only one.
pub(super) fn read(database: &Path, address: Option<&str>) -> Result<List, NoList> {
    still(database)?;
    let before = stamp(database);
    let list = read_still(database, address);
    // It takes no lock, so that what was changed meanwhile may have been read in pieces.
    still(database)?;
    if stamp(database) == before { list } else { Err(NoList::InUse(database.to_owned())) }
}

/// Whether nothing waits beside the file that is not in it yet: a rollback journal, or a write-ahead log.
fn still(database: &Path) -> Result<(), NoList> {
    for suffix in ["-journal", "-wal"] {
        let beside = PathBuf::from(format!("{}{suffix}", database.display()));
        if beside.metadata().is_ok_and(|there| there.len() > 0) {
            return Err(NoList::InUse(beside));
        }
    }
    Ok(())
}

fn stamp(database: &Path) -> Option<(u64, SystemTime)> {
    let there = database.metadata().ok()?;
    Some((there.len(), there.modified().ok()?))
}

fn read_still(database: &Path, address: Option<&str>) -> Result<List, NoList> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = Connection::open_with_flags(unchanging(database), flags)?;
    // It may come from anywhere: no function of ours is called by what stands in it.
    open.pragma_update(None, "trusted_schema", false)?;
    open.pragma_update(None, "cell_size_check", true)?;
    open.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_CELL)?;
    // A view of that name could go on for ever.
    let tables =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('lists', 'subscriptions')";
    if open.query_row(tables, [], |row| row.get::<_, i64>(0))? != 2 {
        return Err(NoList::Tables);
    }
    let mut lists: Vec<(i64, String)> = Vec::new();
    let mut all = open.prepare("SELECT id, email FROM lists ORDER BY email LIMIT 10000")?;
    for row in all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        lists.push(row?);
    }
    let wanted =
        |(_, email): &&(i64, String)| address.is_none_or(|wanted| wanted.eq_ignore_ascii_case(email));
    let mut chosen = lists.iter().filter(wanted);
    let (Some((id, email)), None) = (chosen.next(), chosen.next()) else {
        return Err(NoList::Which(lists.into_iter().map(|(_, email)| email).collect()));
    };
    let mut theirs = open.prepare(
        "SELECT email, fingerprint, admin, delivery_enabled FROM subscriptions WHERE list_id = ?1 ORDER BY email LIMIT 20001",
    )?;
    let subscriptions = theirs.query_map([id], subscription)?.collect::<Result<_, _>>()?;
    Ok(List { email: email.clone(), subscriptions })
}

/// As SQLite names a file that nobody changes: it takes no lock and writes nothing beside it.
fn unchanging(database: &Path) -> String {
    // RFC 3986 §2.1: what would end the path, or be taken for an escape.
    let path = database.display().to_string();
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?mode=ro&immutable=1")
}

fn subscription(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    let text = |at: usize| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
    Ok(Subscription {
        email: text(0)?,
        fingerprint: text(1)?,
        // The columns' own defaults.
        admin: truth(row.get_ref(2)?).unwrap_or(false),
        delivery: truth(row.get_ref(3)?).unwrap_or(true),
    })
}

/// Older releases of Rails write `t` and `f`, newer ones 1 and 0.
fn truth(value: ValueRef<'_>) -> Option<bool> {
    match value {
        ValueRef::Integer(number) => Some(number != 0),
        ValueRef::Text(text) => Some(matches!(text, b"t" | b"true" | b"1")),
        _ => None,
    }
}

/// The list's GnuPG home below the folder of all lists: `HOST/LOCALPART`.
pub(super) fn home(lists: &Path, email: &str) -> Option<PathBuf> {
    let (local, host) = email.rsplit_once('@')?;
    // Each is one name of a folder and no way out of it.
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('/');
    (plain(local) && plain(host)).then(|| lists.join(host).join(local))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables as Schleuder's migrations leave them, for the columns that matter and some that do not.
    const SCHEMA: &str = include_str!("schleuder/schema.sql");

    fn database(rows: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        // A name with what a URI would take for its own.
        let path = folder.path().join("db 100%?.sqlite");
        let made = Connection::open(&path).unwrap();
        made.execute_batch(SCHEMA).unwrap();
        made.execute_batch(rows).unwrap();
        made.close().unwrap();
        (folder, path)
    }

    const TWO_LISTS: &str = "
        INSERT INTO lists (id, email, fingerprint) VALUES (1, 'team@old.example', 'AA'), (7, 'all@old.example', 'BB');
        INSERT INTO subscriptions (list_id, email, fingerprint, admin, delivery_enabled) VALUES
            (7, 'zoe@b.example', '59C71FB38AEE22E091C78259D06350440F759BD3', 't', 'f'),
            (7, 'abe@a.example', '', 0, 1),
            (7, 'moe@c.example', NULL, NULL, NULL),
            (1, 'eve@d.example', '', 1, 0);";

    fn row(email: &str, fingerprint: &str, admin: bool, delivery: bool) -> Subscription {
        Subscription { email: email.to_owned(), fingerprint: fingerprint.to_owned(), admin, delivery }
    }

    #[test]
    fn subscriptions_of_old_and_new_releases_are_read() {
        let (folder, path) = database(TWO_LISTS);
        let before = std::fs::read(&path).unwrap();
        let list = read(&path, Some("ALL@old.example")).unwrap();
        assert_eq!(list.email, "all@old.example");
        assert_eq!(
            list.subscriptions,
            [
                row("abe@a.example", "", false, true),
                row("moe@c.example", "", false, true),
                row("zoe@b.example", "59C71FB38AEE22E091C78259D06350440F759BD3", true, false),
            ]
        );
        assert_eq!(read(&path, Some("team@old.example")).unwrap().subscriptions.len(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), before, "the database is only read");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing is left beside it");
    }

    #[test]
    fn which_list_is_never_guessed() {
        let (_folder, path) = database(TWO_LISTS);
        let several = read(&path, None).unwrap_err().to_string();
        assert_eq!(several, "it has the lists all@old.example, team@old.example");
        assert!(matches!(read(&path, Some("none@old.example")), Err(NoList::Which(_))));
        let (_folder, path) = database("INSERT INTO lists (id, email) VALUES (3, 'one@old.example');");
        assert_eq!(read(&path, None).unwrap().email, "one@old.example");
    }

    #[test]
    fn what_is_being_changed_or_is_something_else_is_refused() {
        let (folder, path) = database(TWO_LISTS);
        for suffix in ["-wal", "-journal"] {
            let beside = PathBuf::from(format!("{}{suffix}", path.display()));
            std::fs::write(&beside, b"").unwrap();
            assert!(read(&path, Some("all@old.example")).is_ok(), "an empty one holds nothing");
            std::fs::write(&beside, b"something").unwrap();
            assert!(matches!(read(&path, None), Err(NoList::InUse(_))), "{suffix}");
            std::fs::remove_file(&beside).unwrap();
        }
        let other = folder.path().join("notes.txt");
        std::fs::write(&other, b"not a database at all, but long enough to be looked at as one").unwrap();
        assert!(matches!(read(&other, None), Err(NoList::Database(_))));
        assert!(read(&folder.path().join("missing"), None).is_err());
        let endless = folder.path().join("endless.sqlite");
        let made = Connection::open(&endless).unwrap();
        made.execute_batch(
            "CREATE TABLE lists (id, email);
             CREATE VIEW subscriptions AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                 SELECT i AS list_id, 'x' AS email, '' AS fingerprint, 0 AS admin, 1 AS delivery_enabled FROM n;",
        )
        .unwrap();
        made.close().unwrap();
        assert!(matches!(read(&endless, None), Err(NoList::Tables)), "a view could go on for ever");
        assert!(!folder.path().join("missing").exists(), "and it is not made");
    }

    #[test]
    fn a_list_s_home_is_below_the_folder_of_all_lists() {
        let lists = Path::new("/var/lib/schleuder/lists");
        assert_eq!(home(lists, "all@old.example"), Some(lists.join("old.example/all")));
        for wrong in ["all", "@old.example", "..@old.example", "a/b@old.example", "all@..", "all@"] {
            assert_eq!(home(lists, wrong), None, "{wrong}");
        }
    }
}
