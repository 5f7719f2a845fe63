//! One mailbox, attended for as long as the daemon runs: connect, look, take in, remove, wait; and after any trouble a
//! pause, and all of it again.
//!
//! ```text
//!            link, login, SELECT       what is marked is gone         nothing more to do
//!  Away ───────────────────────▶ Open ────────────────────▶ Looking ─────────────────────▶ Waiting (IDLE, or a pause)
//!   ▲                                                        ▲ │ FETCH ▶ sealed, durable,     │
//!   │ pause, doubling, varied                                │ │ marked ▶ EXPUNGE or MOVE ▶   │ news, or time
//!   │                                                        │ │ gone ▶ marks removed         │
//!   └── any trouble, at any place ◀──────────────────────────┴─┴──────────────────────────────┘
//! ```

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::board::Board;
use super::connect::{link, login};
use super::plan::{Memory, Plan};
use super::removal::Removal;
use super::secret::secret;
use super::settings::Settings;
use super::taking::{Taking, stay};
use super::tls::Tls;
use super::trouble::Trouble;
use super::wire::{Opened, Waited, Wire};
use crate::id::Entropy;
use crate::ingress::connection::stopped;
use crate::ingress::reception::Receptions;
use crate::ledger::mark::Marks;
use crate::time::Clock;

/// How many mails are listed at once.
const WINDOW: u32 = 200;
/// How often a mailbox that changes all the time is looked at before its server has to tell of something new.
const LOOKS: usize = 3;
/// The pause after news that were none.
const NO_NEWS: Duration = Duration::from_secs(1);

/// What came of going through a mailbox. A mail that was left, or was known before, is no reason to do it again: a server
/// that lists it all the same would keep us at it.
enum Passed {
    /// Mail was taken in.
    Took,
    /// None was, and something is to be asked for in another way.
    Learnt,
    /// Nothing more is to be done.
    Idle,
}

/// One mailbox.
pub(super) struct Mailbox {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) receptions: Receptions,
    pub(super) taking: Taking,
    pub(super) marks: Marks,
    pub(super) board: Board,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<Entropy>,
}

impl Mailbox {
    /// Attends it until the stop. What is under way then is as after a kill: nothing is lost, and the next start goes on.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let (mut memory, mut pauses) = (Memory::default(), self.pauses());
        loop {
            let mut looked = false;
            let trouble = tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                ended = self.attend(&mut memory, &mut looked) => match ended {
                    Ok(never) => match never {},
                    Err(trouble) => trouble,
                },
            };
            if looked {
                pauses = self.pauses();
            }
            let pause = pauses.next().unwrap_or(self.settings.retry_max);
            self.board.failed(&self.name, trouble.to_string(), self.clock.now());
            tracing::warn!(mailbox = self.name, %trouble, again_in = ?pause, "no mail comes from a mailbox");
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Doubling pauses, each lengthened by a random part, so that many do not come back together.
    fn pauses(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_jitter()
            .with_jitter_seed(u64::from_be_bytes(self.entropy.bytes()))
            .with_min_delay(self.settings.retry_first)
            .with_max_delay(self.settings.retry_max)
            .without_max_times()
            .build()
    }

    /// One session, which ends in trouble only.
    async fn attend(&self, memory: &mut Memory, looked: &mut bool) -> Result<Infallible, Trouble> {
        let reception = Arc::clone(&self.receptions.borrow());
        if !self.taking.has_recipient(&reception) {
            return Err(Trouble::Nobody);
        }
        let mut wire = self.connect().await?;
        let opened = wire.select(&self.settings.mailbox).await?;
        memory.in_generation(opened.validity);
        self.finish(&mut wire, &opened).await?;
        if self.board.reached(&self.name) {
            tracing::info!(mailbox = self.name, "mail comes from a mailbox again");
        }
        let mut news = false;
        loop {
            let worked = self.look(&mut wire, &opened, memory).await?;
            *looked = true;
            if news && !worked {
                sleep(NO_NEWS).await;
            }
            news = self.wait(&mut wire).await?;
        }
    }

    async fn connect(&self) -> Result<Wire, Trouble> {
        let (settings, within) = (&self.settings, self.settings.timeout);
        let secret = secret(settings).await?;
        let tls = Tls::new(settings).map_err(|why| Trouble::Tls(why.to_string()))?;
        let silent = |doing| move |_| Trouble::Silent { doing, within };
        let linked =
            timeout(within, link(settings, tls.as_ref())).await.map_err(silent("the connection"))??;
        let session =
            timeout(within, login(linked, settings, secret)).await.map_err(silent("the login"))??;
        let rate = self.receptions.borrow().limits.min_data_rate;
        Wire::new(session, within, rate).await
    }

    /// Removes what was taken in before, by a process that died or a session that broke off: of this generation of UIDs
    /// what is marked; marks of others mean nothing any more.
    async fn finish(&self, wire: &mut Wire, opened: &Opened) -> Result<(), Trouble> {
        let removal = self.removal(opened);
        let (due, void) = removal.marked(&self.marks).await?;
        if !void.is_empty() {
            tracing::warn!(
                mailbox = self.name,
                mails = void.len(),
                "a mailbox was made anew (another UIDVALIDITY)"
            );
        }
        removal.forget(&self.marks, void).await?;
        for uids in due.chunks(50) {
            removal.remove(wire, &self.marks, uids).await?;
        }
        Ok(())
    }

    fn removal(&self, opened: &Opened) -> Removal<'_> {
        let place = self.taking.place(&self.settings, opened.validity);
        Removal { name: &self.name, settings: &self.settings, keywords: opened.keywords, place }
    }

    /// Goes through the mailbox until nothing more is to be done; whether any mail was taken in.
    async fn look(&self, wire: &mut Wire, opened: &Opened, memory: &mut Memory) -> Result<bool, Trouble> {
        let mut took = false;
        for _ in 0..LOOKS {
            loop {
                wire.changed = false;
                match self.pass(wire, opened, memory).await? {
                    Passed::Took => took = true,
                    Passed::Learnt => sleep(NO_NEWS).await,
                    Passed::Idle => break,
                }
            }
            if !wire.changed {
                break;
            }
        }
        Ok(took)
    }

    /// Goes through the mailbox once, in windows, from its front.
    async fn pass(&self, wire: &mut Wire, opened: &Opened, memory: &mut Memory) -> Result<Passed, Trouble> {
        let (removal, reception) = (self.removal(opened), Arc::clone(&self.receptions.borrow()));
        if !self.taking.has_recipient(&reception) {
            return Err(Trouble::Nobody);
        }
        memory.under(&reception);
        let limit = u64::try_from(reception.limits.max_message).unwrap_or(u64::MAX);
        let (mut first, mut fresh, mut left, learnt) = (1_u32, 0_usize, 0_usize, memory.learnt());
        while first <= wire.exists {
            let last = first.saturating_add(WINDOW - 1).min(wire.exists);
            let listing = wire.list(first, last).await?;
            let plan = Plan::of(&listing, memory, limit);
            left = left.saturating_add(plan.left);
            let (mut went, before) = (0_u32, wire.exists);
            for (uid, why) in plan.leave {
                let gone = removal.leave(wire, uid, (&why, why.stay()), memory).await?;
                (went, left) = (went.saturating_add(gone), left.saturating_add(usize::from(gone == 0)));
            }
            for group in plan.fetch {
                let came = self.taking.fetch(wire, &removal.place, &group, &reception, memory).await;
                for (uid, why) in &came.left {
                    let gone = removal.leave(wire, *uid, (why, stay(why)), memory).await?;
                    (went, left) = (went.saturating_add(gone), left.saturating_add(usize::from(gone == 0)));
                }
                if !came.taken.is_empty() && !came.lost {
                    went = went.saturating_add(removal.remove(wire, &self.marks, &came.taken).await?);
                }
                if let Some(trouble) = came.trouble {
                    return Err(trouble);
                }
                fresh = fresh.saturating_add(came.fresh);
            }
            // Those behind have moved up by as many as went; by its count, lest a server that only says so hold us here.
            let moved = went.min(before.saturating_sub(wire.exists));
            first = last.saturating_add(1).saturating_sub(moved);
        }
        self.board.left(&self.name, left);
        Ok(match (fresh, memory.learnt() != learnt) {
            (1.., _) => Passed::Took,
            (0, true) => Passed::Learnt,
            (0, false) => Passed::Idle,
        })
    }

    /// Waits for something to do; whether the server told of it.
    async fn wait(&self, wire: &mut Wire) -> Result<bool, Trouble> {
        if self.settings.idle && wire.can.idle {
            match wire.idle(self.settings.idle_renew).await? {
                Waited::News => return Ok(true),
                Waited::Renew => return Ok(false),
                // Not at once again: a server that ends it each time would be asked without a pause.
                Waited::Dropped => {}
            }
        }
        sleep(self.settings.poll).await;
        wire.noop().await?;
        Ok(false)
    }
}
