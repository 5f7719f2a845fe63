//! One connection to a next hop, and the deliveries over it.
//!
//! ```text
//! connect ─ 220 ─ EHLO ┬─ STARTTLS ─ 220 ─ handshake, verified ─ EHLO ┬─ (AUTH ─ 235) ─▶ idle ─ MAIL, RCPT, DATA ─ 354 ─ content ─ dot ─ 250 ─▶ idle
//!                      └─ (only within this machine) ─────────────────┘                   └─ refused ─ RSET ─▶ idle
//! connect ─ handshake, verified ─ 220 ─ EHLO ─────────────────────────┘
//! ```
//!
//! The connection, TLS and the order of things are ours; commands, parameters and replies are lettre's types.

mod content;
mod login;
mod reply;
mod trouble;
mod wire;

use std::future::Future;
use std::sync::Arc;

use lettre::Address as Mailbox;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Quit, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};

use crate::egress::dkim::Signers;
use crate::egress::period::Period;
use crate::egress::route::{Endpoint, Timeouts};
use crate::egress::smtp::content::{Pieces, signatures};
use crate::egress::smtp::reply::Offers;
pub use crate::egress::smtp::reply::replies;
pub(crate) use crate::egress::smtp::reply::{printable, shown};
use crate::egress::smtp::trouble::is_421;
pub use crate::egress::smtp::trouble::{Step, Trouble};
use crate::egress::smtp::wire::Wire;
use crate::egress::tls::Tls;
use crate::failpoint::{self, Point};
use crate::id::ParcelId;
use crate::mail::address::Address;
use crate::mail::parcel::Parcel;

/// How much is sent at once, in bytes.
const BLOCK: usize = 64 * 1024;

/// How long a leave-taking may take; nothing depends on it.
const FAREWELL: Period = Period::secs(2);

/// An open session with a next hop.
pub struct Connection {
    host: String,
    wire: Wire,
    offers: Offers,
    timeouts: Timeouts,
    signers: Signers,
    /// Whether the next transaction can begin: both sides agree that none is open.
    in_step: bool,
    /// The copy whose envelope was sent behind the last dot; its replies are still to be heard.
    ahead: Option<ParcelId>,
    /// Told when it takes a sender for the first time.
    welcomed: Option<Box<dyn FnOnce() + Send>>,
}

/// Gives the copy that is to follow over the same connection, if there is one.
pub(crate) type Next<'a> = &'a mut (dyn FnMut() -> Option<Arc<Parcel>> + Send);

impl Connection {
    /// Connects, greets, and encrypts where that is required.
    ///
    /// # Errors
    /// What stood against it; nothing of any copy was sent.
    pub async fn open(
        host: &str,
        endpoint: &Endpoint,
        tls: &Tls,
        helo: &str,
        timeouts: &Timeouts,
    ) -> Result<Self, Trouble> {
        let mut wire = Wire::connect(endpoint, !tls.is_required(), timeouts.connect).await?;
        if tls.is_implicit() {
            // RFC 8314 §3.3: the greeting comes encrypted.
            wire = wire.upgrade(tls, host, timeouts.connect).await?;
        }
        let greeting = wire.hear(Step::Greeting, timeouts.greeting).await?;
        wanted(Step::Greeting, greeting)?;
        let mut offers = ehlo(&mut wire, helo, timeouts).await?;
        if tls.is_required() && !tls.is_implicit() {
            if !offers.starttls {
                return Err(Trouble::NoStarttls);
            }
            wire.say(Step::Starttls, Starttls.to_string().as_bytes(), timeouts.command).await?;
            let ready = wire.hear(Step::Starttls, timeouts.command).await?;
            wanted(Step::Starttls, ready)?;
            wire = wire.upgrade(tls, host, timeouts.connect).await?;
            // RFC 3207 §4.2: what was offered in the clear is forgotten.
            offers = ehlo(&mut wire, helo, timeouts).await?;
        }
        let (host, timeouts, signers) = (host.to_owned(), timeouts.clone(), Signers::default());
        Ok(Self { host, wire, offers, timeouts, signers, in_step: true, ahead: None, welcomed: None })
    }

    /// The same session, over which copies leave signed by these.
    #[must_use]
    pub fn signing(mut self, signers: &Signers) -> Self {
        self.signers = signers.clone();
        self
    }

    /// The same session, which tells when it takes a sender for the first time.
    pub(crate) fn telling(mut self, welcomed: impl FnOnce() + Send + 'static) -> Self {
        self.welcomed = Some(Box::new(welcomed));
        self
    }

    /// Delivers one copy. `body` gives the stored body's bytes from an offset on, as many as it likes; it is asked
    /// until the parcel's `body_len` is reached, so that no body is ever in memory as a whole. `next` is asked once the
    /// whole content is at hand: the envelope of the copy that it gives travels behind this one's final dot, where the
    /// hop takes commands in a pipeline, and that copy has to be the next that is sent.
    ///
    /// # Errors
    /// Why the copy was not taken. Ask [`Connection::is_reusable`] what became of the connection.
    pub(crate) async fn send<F, Fut>(
        &mut self,
        parcel: &Parcel,
        body: F,
        next: Next<'_>,
    ) -> Result<Response, Trouble>
    where
        F: FnMut(u64) -> Fut,
        Fut: Future<Output = Result<Vec<u8>, String>>,
    {
        let commands = self.commands(parcel)?;
        self.in_step = false;
        // With a reply too many each later one would be taken for the answer to another command.
        if self.ahead.is_none() && !self.wire.is_silent().await {
            return Err(self.said_early(Step::Ehlo).await);
        }
        failpoint::hit(Point::BeforeEnvelope);
        let outcome = match self.envelope(&commands, parcel.id).await {
            Ok(()) => {
                failpoint::hit(Point::BeforeContent);
                self.content(parcel, body, next).await.inspect(|_| failpoint::hit(Point::AfterContent))
            }
            Err(trouble) => Err(trouble),
        };
        // Behind a refused dot the next envelope is on its way: there is nothing to reset.
        if outcome.is_err() && self.in_step && self.ahead.is_none() {
            self.in_step = self.reset().await;
        }
        outcome
    }

    /// Whether the copy that follows has its envelope out, and both sides agree on it.
    #[must_use]
    pub(crate) fn is_ahead(&self) -> bool {
        self.in_step && self.ahead.is_some()
    }

    /// Whether a kept connection seems alive, and the hop has said nothing that nobody asked for.
    pub(crate) async fn is_fresh(&mut self) -> bool {
        self.wire.is_silent().await
    }

    /// Whether a further copy can go over this connection.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.in_step && self.ahead.is_none() && self.wire.is_quiet()
    }

    /// The host at the other end.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Takes leave (RFC 5321 §4.1.1.10).
    pub async fn quit(mut self) {
        if self.wire.say(Step::Reset, Quit.to_string().as_bytes(), FAREWELL).await.is_ok() {
            // The answer changes nothing, but leaving before it looks like a fault to the peer.
            let _ = self.wire.hear(Step::Reset, FAREWELL).await;
        }
    }

    /// MAIL, RCPT and DATA for this copy, or why it cannot travel over this hop.
    fn commands(&self, parcel: &Parcel) -> Result<[(Step, String); 3], Trouble> {
        let eight_bit = !parcel.opening().is_ascii();
        let utf8 = eight_bit || parcel.reverse_path.needs_utf8() || parcel.recipient.needs_utf8();
        if utf8 && !self.offers.smtputf8 {
            // RFC 6531 §3.5 and RFC 3463: X.6.7, non-ASCII addresses not permitted.
            return Err(Trouble::CannotCarry(format!(
                "5.6.7 an address needs SMTPUTF8, which {} does not offer",
                self.host
            )));
        }
        let size = parcel.wire_len() + self.signers.room(parcel);
        if let Some(most) = self.offers.size.flatten().filter(|most| size > *most) {
            // RFC 1870 §4: the hop said how much it takes. RFC 3463 §3.4: X.3.4, message too big for system.
            return Err(Trouble::CannotCarry(format!(
                "5.3.4 {size} bytes; {} takes at most {most}",
                self.host
            )));
        }
        let mut parameters = Vec::new();
        if self.offers.size.is_some() {
            parameters.push(MailParameter::Size(usize::try_from(size).unwrap_or(usize::MAX)));
        }
        if utf8 {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if eight_bit {
            // RFC 6531 §3.6: a host with SMTPUTF8 has 8BITMIME.
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        if self.offers.dsn {
            // RFC 3461 §4.3, §4.4: a bounce returns the header only, under an id that says nothing.
            let other = |keyword: &str, value: String| MailParameter::Other {
                keyword: keyword.to_owned(),
                value: Some(value),
            };
            parameters.push(other("RET", "HDRS".to_owned()));
            parameters.push(other("ENVID", parcel.id.to_string()));
        }
        let mail = Mail::new(Some(mailbox(&parcel.reverse_path)), parameters);
        let rcpt = Rcpt::new(mailbox(&parcel.recipient), Vec::new());
        Ok([(Step::Mail, mail.to_string()), (Step::Rcpt, rcpt.to_string()), (Step::Data, Data.to_string())])
    }

    /// Sends the envelope, at once where the hop takes commands in a pipeline, until it wants the content.
    async fn envelope(&mut self, commands: &[(Step, String); 3], of: ParcelId) -> Result<(), Trouble> {
        let pipelined = self.offers.pipelining;
        match self.ahead.take() {
            Some(ahead) if ahead == of => {}
            Some(_) => return Err(Trouble::Malformed(Step::Mail, "another copy was announced")),
            None if pipelined => {
                self.wire.say(Step::Mail, group(commands).as_bytes(), self.timeouts.command).await?;
            }
            None => {}
        }
        let mut refusal = None;
        for (at, command) in commands {
            let limit = if *at == Step::Data { self.timeouts.data } else { self.timeouts.command };
            if !pipelined {
                self.wire.say(*at, command.as_bytes(), limit).await?;
            }
            match self.wire.hear(*at, limit).await.and_then(|reply| wanted(*at, reply)) {
                Ok(_) => {
                    if let Some(tell) = self.welcomed.take() {
                        tell();
                    }
                }
                // Every command of a group has its reply, so the others are still to be heard.
                Err(Trouble::Refused { at, reply }) if !is_421(&reply) => {
                    self.in_step = !pipelined || at == Step::Data;
                    refusal.get_or_insert(Trouble::Refused { at, reply });
                    if !pipelined {
                        break;
                    }
                }
                Err(trouble) => return Err(refusal.unwrap_or(trouble)),
            }
        }
        // RFC 2920 §3.1: a hop may want content after it refused the recipient. `in_step` is false then, and the
        // connection is given up: no dot, no mail.
        refusal.map_or(Ok(()), Err)
    }

    /// Sends the message and hears what became of it.
    async fn content<F, Fut>(
        &mut self,
        parcel: &Parcel,
        mut body: F,
        next: Next<'_>,
    ) -> Result<Response, Trouble>
    where
        F: FnMut(u64) -> Fut,
        Fut: Future<Output = Result<Vec<u8>, String>>,
    {
        let mut block = signatures(&self.signers.clone(), parcel, &mut body).await?;
        let mut pieces = Pieces::on_the_wire(parcel);
        while let Some(piece) = pieces.next(&mut body).await? {
            // What is small goes with what follows, so that it makes no packet of its own.
            if block.len() >= BLOCK {
                self.block(&block).await?;
                block.clear();
            }
            block.extend(piece);
        }
        // What is said before the dot is no verdict on it: taken for one, the copy would count as delivered.
        if !self.wire.is_silent().await {
            return Err(self.said_early(Step::Content).await);
        }
        block.extend_from_slice(b".\r\n");
        let (dot, mut gone) = (block.len(), 0);
        block.extend(self.announce(next));
        let said = self.wire.say_counting(Step::Content, &block, self.timeouts.block, &mut gone).await;
        let whole = said.is_ok();
        match said {
            // Once the dot is on its way the verdict counts, whatever became of the envelope behind it: a copy that was
            // acknowledged is not sent again.
            Err(trouble) if gone < dot => return Err(self.in_its_words(trouble).await),
            _ => {}
        }
        let verdict = self.wire.hear(Step::Dot, self.timeouts.dot).await?;
        self.in_step = whole && !is_421(&verdict);
        let verdict = wanted(Step::Dot, verdict);
        // Whoever answers the dot with another class of reply may mean anything by what comes next.
        self.in_step &= !matches!(verdict, Err(Trouble::Malformed(..)));
        verdict
    }

    /// The envelope of the copy that follows, where there is one and the hop takes it now.
    fn announce(&mut self, next: Next<'_>) -> Vec<u8> {
        let follower = if self.offers.pipelining { next() } else { None };
        // One that cannot travel over this hop hears why when its turn comes.
        let Some((follower, commands)) = follower.and_then(|f| Some((f.id, self.commands(&f).ok()?))) else {
            return Vec::new();
        };
        self.ahead = Some(follower);
        // RFC 2920 §3.1: "The actual transfer of message content is explicitly allowed to be the first \"command\" in a
        // group."
        group(&commands).into_bytes()
    }

    /// What the hop said before it was asked: a refusal counts, anything else is out of step.
    async fn said_early(&mut self, at: Step) -> Trouble {
        match self.wire.hear(at, FAREWELL).await.and_then(|reply| wanted(at, reply)) {
            Err(trouble) => trouble,
            Ok(_) => Trouble::Malformed(at, "a reply that nobody asked for"),
        }
    }

    async fn block(&mut self, block: &[u8]) -> Result<(), Trouble> {
        match self.wire.say(Step::Content, block, self.timeouts.block).await {
            Ok(()) => Ok(()),
            Err(trouble) => Err(self.in_its_words(trouble).await),
        }
    }

    /// A hop that hangs up in the middle has often said why.
    async fn in_its_words(&mut self, trouble: Trouble) -> Trouble {
        match self.wire.hear(Step::Content, FAREWELL).await.and_then(|reply| wanted(Step::Content, reply)) {
            Err(said @ Trouble::Refused { .. }) => said,
            _ => trouble,
        }
    }

    async fn reset(&mut self) -> bool {
        let limit = self.timeouts.command;
        if self.wire.say(Step::Reset, Rset.to_string().as_bytes(), limit).await.is_err() {
            return false;
        }
        self.wire.hear(Step::Reset, limit).await.is_ok_and(|reply| wanted(Step::Reset, reply).is_ok())
    }
}

/// RFC 2920 §3.1: DATA may only be the last command of a group.
fn group(commands: &[(Step, String); 3]) -> String {
    commands.iter().map(|(_, command)| command.as_str()).collect()
}

async fn ehlo(wire: &mut Wire, helo: &str, timeouts: &Timeouts) -> Result<Offers, Trouble> {
    // RFC 5321 §4.3.1: the greeting is one reply; what stands behind it would be taken for the answer to EHLO.
    if !wire.is_quiet() {
        return Err(Trouble::Malformed(Step::Ehlo, "a reply that nobody asked for"));
    }
    let hello = Ehlo::new(ClientId::Domain(helo.to_owned())).to_string();
    wire.say(Step::Ehlo, hello.as_bytes(), timeouts.command).await?;
    let reply = wire.hear(Step::Ehlo, timeouts.command).await?;
    Ok(Offers::from_reply(&wanted(Step::Ehlo, reply)?))
}

/// The reply, if it is the one that lets the step succeed: 3yz to DATA, 2yz to everything else.
fn wanted(at: Step, reply: Response) -> Result<Response, Trouble> {
    let good = if at == Step::Data { Severity::PositiveIntermediate } else { Severity::PositiveCompletion };
    match reply.code().severity {
        severity if severity == good => Ok(reply),
        Severity::TransientNegativeCompletion | Severity::PermanentNegativeCompletion => {
            Err(Trouble::Refused { at, reply })
        }
        _ => Err(Trouble::Malformed(at, "the code does not belong to this step")),
    }
}

/// The address as lettre's type, with the quotes that its local part needs.
fn mailbox(address: &Address) -> Mailbox {
    let written = address.to_string();
    let local = written.rsplit_once('@').map_or(address.local(), |(local, _)| local);
    // Our own type has checked it, and allows what lettre's parser does not know.
    Mailbox::new_dangerous(local, address.domain().as_str())
}

#[cfg(test)]
mod encryption_tests;
#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod tests;
