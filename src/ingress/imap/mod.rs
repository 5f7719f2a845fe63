//! Mail that is fetched from mailboxes of any provider (RFC 3501): taken in like mail by SMTP, sealed and durable, and
//! only then removed there.
//!
//! Read `mailbox` first: what goes on in one. `plan` says what is to be done with a listing, `wire` speaks, strictly,
//! through `limited`, which lets nothing by that was not agreed to, and `answer` reads what is answered; `taking` and `removal` are the two halves around the
//! one commit.

mod answer;
mod board;
mod connect;
mod limited;
mod mailbox;
mod once;
mod plan;
mod removal;
mod secret;
pub mod settings;
mod taking;
mod tls;
mod trouble;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

pub use self::board::Board;
use self::mailbox::Mailbox;
pub use self::once::once;
pub use self::secret::{NoSecret, look};
use self::settings::Settings;
use self::taking::{Taking, is_encrypted};
pub use self::tls::{NoTls, Tls};
use self::trouble::Trouble;
use super::budget::Budget;
use super::connection::stopped;
use super::intake::{Digest, Intake};
use super::reception::Receptions;
use crate::id::Entropy;
use crate::ledger::mark::Marks;
use crate::secret::Plaintext;
use crate::time::Clock;

/// A keyed digest of a mail from a place; the daemon makes it.
pub type DigestOf = Arc<dyn Fn(&str, &Plaintext) -> [u8; 32] + Send + Sync>;

/// What all mailboxes share.
#[derive(Clone)]
pub struct Common {
    /// Lists and limits, the newest.
    pub receptions: Receptions,
    /// Memory for mail that is not durable yet.
    pub budget: Budget,
    /// The one door to the spool.
    pub intake: Intake,
    /// What was taken in before.
    pub marks: Marks,
    /// Makes digests.
    pub digest: DigestOf,
    /// Where `status` looks.
    pub board: Board,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Randomness for pauses.
    pub entropy: Arc<Entropy>,
}

/// All mailboxes of the settings.
pub struct Mailboxes(Vec<Arc<Mailbox>>);

impl Mailboxes {
    /// The mailboxes of these settings.
    #[must_use]
    pub fn new(all: &BTreeMap<String, Settings>, common: &Common) -> Self {
        Self(all.iter().map(|(name, settings)| mailbox(name, settings, common)).collect())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Attends them all until `stop` turns true. None can end another, or this.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut all = JoinSet::new();
        for mailbox in self.0 {
            all.spawn(keep(mailbox, stop.clone()));
        }
        while all.join_next().await.is_some() {}
    }
}

fn mailbox(name: &str, settings: &Settings, common: &Common) -> Arc<Mailbox> {
    let place = format!("imap/{name}");
    let (digest, of) = (Arc::clone(&common.digest), place.clone());
    let digest: Digest = Arc::new(move |mail| digest(&of, mail));
    let taking = Taking {
        place,
        host: settings.host.clone(),
        tls: is_encrypted(settings),
        whom: settings.whom(),
        intake: common.intake.clone(),
        digest,
        budget: common.budget.clone(),
        clock: Arc::clone(&common.clock),
    };
    Arc::new(Mailbox {
        name: name.to_owned(),
        settings: settings.clone(),
        receptions: common.receptions.clone(),
        taking,
        marks: common.marks.clone(),
        board: common.board.clone(),
        clock: Arc::clone(&common.clock),
        entropy: Arc::clone(&common.entropy),
    })
}

/// Attends a mailbox again after a part of ours broke down over it.
async fn keep(mailbox: Arc<Mailbox>, mut stop: watch::Receiver<bool>) {
    loop {
        let mut alone = JoinSet::new();
        alone.spawn(Arc::clone(&mailbox).run(stop.clone()));
        if matches!(alone.join_next().await, Some(Ok(()))) {
            return;
        }
        mailbox.board.failed(&mailbox.name, Trouble::Broken.to_string(), mailbox.clock.now());
        tracing::error!(mailbox = mailbox.name, "attending a mailbox ended in a panic; it is attended again");
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            () = sleep(mailbox.settings.retry_first) => {}
        }
    }
}
