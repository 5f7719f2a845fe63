//! Named places where a test makes the program die or break down. Release builds have none.
//!
//! `VOUCHSAFE_FAILPOINT=after-relay:abort:3` ends the process when it comes to that place for the third time, as
//! `kill -9` would: nothing is tidied up. With `:panic` only the part that comes there breaks down,
//! with `:hang` it stays there. `main.rs` reads the
//! variable: the rooms that ask here must not reach the environment.

/// Whether this build has failpoints at all.
pub const ENABLED: bool = cfg!(debug_assertions);

macro_rules! points {
    ($($(#[$doc:meta])* $point:ident = $name:literal,)*) => {
        /// A place. Tests walk through [`Point::ALL`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $($(#[$doc])* $point,)*
        }

        impl Point {
            /// Every place that there is.
            pub const ALL: &[Self] = &[$(Self::$point),*];

            /// What it is called in `VOUCHSAFE_FAILPOINT`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$point => $name,)*
                }
            }
        }
    };
}

points! {
    /// A mail is whole, and not sealed yet.
    IntakeBegun = "intake-begun",
    /// It is sealed, and nothing is written.
    IntakeSealed = "intake-sealed",
    /// Its body is durable, and no record names it.
    IntakeStored = "intake-stored",
    /// It is in the spool, and 250 is not said.
    IntakeCommitted = "intake-committed",
    /// 250 is said.
    IntakeAnswered = "intake-answered",
    /// A mail of a maildir is durable and marked, and its file is still there.
    MaildirTaken = "maildir-taken",
    /// Its file is gone, and a power cut could bring it back.
    MaildirRemoved = "maildir-removed",
    /// It is gone for good, and its mark is still there.
    MaildirSynced = "maildir-synced",
    /// A mail is fetched from a mailbox, and nothing else is done.
    ImapFetched = "imap-fetched",
    /// A group of them is durable and marked, and the mailbox still has it.
    ImapTaken = "imap-taken",
    /// It is copied to another mailbox, and still in this one.
    ImapCopied = "imap-copied",
    /// It is marked there as deleted.
    ImapFlagged = "imap-flagged",
    /// It is gone there, and its marks are not.
    ImapExpunged = "imap-expunged",
    /// The marks are gone as well.
    ImapForgotten = "imap-forgotten",
    /// The worker has claimed a mail.
    SpoolClaimed = "spool-claimed",
    /// It is about to be opened.
    BeforeRelay = "before-relay",
    /// The copies are made, in memory.
    AfterRelay = "after-relay",
    /// One body is durable, the next is not.
    BetweenBodies = "between-bodies",
    /// All bodies are durable, and nothing names them.
    AfterBodies = "after-bodies",
    /// The one commit is made.
    AfterCommit = "after-commit",
    /// A mail is about to be held.
    BeforeHold = "before-hold",
    /// It is held.
    AfterHold = "after-hold",
    /// A mail is about to be dropped by a rule.
    BeforeDrop = "before-drop",
    /// It is dropped.
    AfterDrop = "after-drop",
    /// A claim is about to be given back.
    BeforeGiveBack = "before-give-back",
    /// It is given back.
    AfterGiveBack = "after-give-back",
    /// The courier has claimed copies.
    CopiesClaimed = "copies-claimed",
    /// A connection stands, and nothing of the copy was said.
    BeforeEnvelope = "before-envelope",
    /// The next hop waits for the content.
    BeforeContent = "before-content",
    /// The next hop has taken the copy, and nobody else knows.
    AfterContent = "after-content",
    /// A copy was not taken for now, and the recorder does not know.
    OutcomeDeferred = "outcome-deferred",
    /// A copy was not taken for good, and the recorder does not know.
    OutcomeFailed = "outcome-failed",
    /// The recorder has an outcome.
    OutcomeHanded = "outcome-handed",
    /// It is about to commit.
    BeforeRecord = "before-record",
    /// It has committed, and the bodies that nobody needs are gone.
    AfterRecord = "after-record",
    /// It has committed that a copy is deferred.
    DeferralRecorded = "deferral-recorded",
    /// It has committed that a copy failed.
    FailureRecorded = "failure-recorded",
    /// Unsent copies went back to the queue.
    CopiesPutBack = "copies-put-back",
    /// The store remembers this start, and the file beside it does not name it yet.
    StartNoted = "start-noted",
    /// The settings were read again, and nothing of them is in force.
    ReloadRead = "reload-read",
    /// They are in force, and nobody was told.
    ReloadDone = "reload-done",
    /// A bounce is read and its copy found, and nothing is marked.
    BounceRead = "bounce-read",
    /// The copy is marked, the admins' alert raised and the bounce gone, in one commit.
    BounceCommitted = "bounce-committed",
    /// What a mail asks of the relay is decided, and not committed.
    CommandDecided = "command-decided",
    /// It is committed, with the end of the mail that brought it.
    CommandCommitted = "command-committed",
    /// A letter's body is durable, and no record names it.
    LetterStored = "letter-stored",
    /// The letter is queued, its tokens count, and its errand is gone, in one commit.
    LetterCommitted = "letter-committed",
    /// Alerts are read, and nobody is told.
    AlarmGathered = "alarm-gathered",
    /// A notice's body is durable, and no record names it.
    AlarmStored = "alarm-stored",
    /// The notices are queued and the alerts gone, in one commit.
    AlarmCommitted = "alarm-committed",
    /// An admin's change is decided, and not committed.
    AdminDecided = "admin-decided",
    /// It is committed, and not answered.
    AdminCommitted = "admin-committed",
    /// An imported key is in its place, and not journalled.
    KeyImported = "key-imported",
    /// A key file is written under another name.
    KeyDrafted = "key-drafted",
    /// A new key file has both names.
    KeyLinked = "key-linked",
    /// A key file has taken the place of another.
    KeyReplaced = "key-replaced",
    /// A new list's key files are all there, in a folder of another name.
    ListKeyDrafted = "list-key-drafted",
    /// That folder has its name.
    ListKeyPlaced = "list-key-placed",
    /// A new spool key's file is there, and nobody knows the key.
    SpoolKeyMade = "spool-key-made",
    /// New mail is sealed to it, and the journal does not say so.
    SpoolKeyRotated = "spool-key-rotated",
    /// The journal says so.
    SpoolKeyNoted = "spool-key-noted",
    /// A drained spool key has a name that is no key's.
    SpoolKeyWithdrawn = "spool-key-withdrawn",
    /// Its file is overwritten.
    SpoolKeyOverwritten = "spool-key-overwritten",
    /// It is gone, and the journal does not say so.
    SpoolKeyDestroyed = "spool-key-destroyed",
    /// The idle store is about to be compacted.
    BeforeCompact = "before-compact",
    /// It is compacted.
    AfterCompact = "after-compact",
    /// At the start one void claim of an arrival was cleared.
    ArrivalRecovered = "arrival-recovered",
    /// At the start one void claim of a copy was cleared.
    CopyRecovered = "copy-recovered",
    /// All void claims are cleared, and nothing is served.
    Recovered = "recovered",
    /// The store is about to write bytes.
    DiskWrite = "disk-write",
    /// The store is about to give a file another length.
    DiskResize = "disk-resize",
    /// The store is about to make a file durable.
    DiskSync = "disk-sync",
    /// The store is about to give a body its name.
    DiskRename = "disk-rename",
    /// The store is about to make a directory durable.
    DiskSyncDir = "disk-sync-dir",
    /// The store is about to remove a file: a commit is made, and its bodies are still there.
    DiskRemove = "disk-remove",
    /// `init` has written the settings under another name, and has no keys.
    InitDrafted = "init-drafted",
    /// `init` has made the keys, and the settings have another name.
    InitKeysMade = "init-keys-made",
    /// The settings of `init` have both names.
    InitLinked = "init-linked",
}

#[cfg(debug_assertions)]
pub use self::armed::{arm, hit};

/// Nothing: there are no failpoints in a release build.
#[cfg(not(debug_assertions))]
pub const fn hit(_point: Point) {}

/// Nothing: there are no failpoints in a release build.
///
/// # Errors
/// None.
#[cfg(not(debug_assertions))]
pub const fn arm(_wanted: &str) -> Result<(), String> {
    Ok(())
}

#[cfg(debug_assertions)]
mod armed {
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Point;

    struct Armed {
        point: Point,
        way: Way,
        /// The hit that counts, from 1.
        at: u32,
        hits: AtomicU32,
    }

    /// What happens there.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Way {
        Abort,
        Panic,
        Hang,
    }

    static ARMED: OnceLock<Armed> = OnceLock::new();

    /// Arms one place of this process: `NAME:abort`, `NAME:panic` or `NAME:hang`, and `:N` for the N-th time.
    ///
    /// # Errors
    /// When there is no such place, so that no test waits for a misspelt one, or when one is armed.
    pub fn arm(wanted: &str) -> Result<(), String> {
        let armed = parse(wanted).ok_or_else(|| format!("there is no failpoint \"{wanted}\""))?;
        ARMED.set(armed).map_err(|_| "a failpoint is armed already".to_owned())
    }

    fn parse(wanted: &str) -> Option<Armed> {
        let mut parts = wanted.split(':');
        let name = parts.next()?;
        let point = Point::ALL.iter().copied().find(|point| point.name() == name)?;
        let way = match parts.next()? {
            "abort" => Way::Abort,
            "panic" => Way::Panic,
            "hang" => Way::Hang,
            _ => return None,
        };
        let at = parts.next().map_or(Ok(1), str::parse).ok().filter(|at| *at > 0)?;
        parts.next().is_none().then_some(Armed { point, way, at, hits: AtomicU32::new(0) })
    }

    /// Dies or breaks down here, if this place is armed.
    ///
    /// # Panics
    /// Where that is asked for.
    #[allow(clippy::panic, reason = "that is the purpose; debug builds only")]
    pub fn hit(point: Point) {
        let Some(armed) = ARMED.get().filter(|armed| armed.point == point) else { return };
        if armed.hits.fetch_add(1, Ordering::Relaxed).saturating_add(1) != armed.at {
            return;
        }
        // The test that armed it wants to know that it was this and nothing else.
        let _ = writeln!(std::io::stderr(), "failpoint {} reached", point.name());
        match armed.way {
            Way::Abort => std::process::abort(),
            Way::Panic => panic!("failpoint {}", point.name()),
            Way::Hang => loop {
                std::thread::park();
            },
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_place_has_a_name_of_its_own_that_can_be_armed() {
            let mut names: Vec<&str> = Point::ALL.iter().map(|point| point.name()).collect();
            for name in &names {
                let armed = parse(&format!("{name}:abort:7")).unwrap();
                assert_eq!((armed.point.name(), armed.way, armed.at), (*name, Way::Abort, 7));
                assert_eq!(parse(&format!("{name}:panic")).map(|a| (a.way, a.at)), Some((Way::Panic, 1)));
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), Point::ALL.len());
        }

        #[test]
        fn what_is_misspelt_is_refused() {
            for wrong in ["", "after-relay", "after-rely:abort", "after-relay:stop", "after-relay:abort:0"] {
                assert!(parse(wrong).is_none(), "{wrong}");
            }
            assert!(parse("after-relay:abort:1:2").is_none());
            assert!(arm("after-rely:abort").unwrap_err().contains("after-rely"));
        }
    }
}
