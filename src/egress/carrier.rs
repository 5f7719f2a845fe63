//! Carries one copy to one of its hosts.

use std::sync::Arc;

use crate::egress::pool::Pool;
use crate::egress::route::{DnsSettings, NoRoute, Route, RouteError, Router, Settings, Timeouts};
use crate::egress::smtp::{Connection, Trouble, printable, shown};
use crate::egress::tls::Tls;
use crate::id::Entropy;
use crate::ledger::queue::Queue;
use crate::mail::parcel::Parcel;

/// How much of a body is read at once, in bytes.
const PIECE: usize = 128 * 1024;

/// What became of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Delivered,
    Deferred,
    Failed,
}

/// One attempt, for the ledger and the log.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) outcome: Outcome,
    /// The next hop's words or ours, for the ledger: it may name the recipient.
    pub(crate) reply: String,
    /// The host that was asked last.
    pub(crate) host: String,
    /// Its reply code, if it gave one.
    pub(crate) code: Option<u16>,
    /// Why it was not delivered, for the log: in our words, never the next hop's.
    pub(crate) cause: Option<String>,
    /// Whether it let us wait until time was up.
    pub(crate) hung: bool,
}

impl Attempt {
    fn delivered(host: &str, reply: &lettre::transport::smtp::response::Response) -> Self {
        let code = Some(reply.code().into());
        Self {
            outcome: Outcome::Delivered,
            reply: shown(reply),
            host: host.to_owned(),
            code,
            cause: None,
            hung: false,
        }
    }

    fn troubled(host: &str, trouble: &Trouble) -> Self {
        let outcome = if trouble.is_permanent() { Outcome::Failed } else { Outcome::Deferred };
        let hung = matches!(trouble, Trouble::Timeout(_));
        let (code, cause) = (trouble.code(), Some(trouble.cause()));
        Self { outcome, reply: trouble.to_string(), host: host.to_owned(), code, cause, hung }
    }

    fn not_routed(destination: &str, why: &NoRoute) -> Self {
        let outcome = match why {
            NoRoute::Never(_) => Outcome::Failed,
            NoRoute::NotNow(_) => Outcome::Deferred,
        };
        let reply = printable(&why.to_string());
        let cause = Some(reply.clone());
        Self { outcome, reply, host: destination.to_owned(), code: None, cause, hung: false }
    }

    /// A delivery that was broken off because its lease would have run out.
    pub(crate) fn too_slow(destination: &str) -> Self {
        let reply = "the delivery took longer than the lease allows".to_owned();
        let cause = Some(reply.clone());
        Self {
            outcome: Outcome::Deferred,
            reply,
            host: destination.to_owned(),
            code: None,
            cause,
            hung: true,
        }
    }
}

/// Everything that deliveries share.
pub(crate) struct Carrier {
    queue: Queue,
    router: Router,
    tls: Tls,
    pub(crate) pool: Pool,
    helo: Option<String>,
    timeouts: Timeouts,
    entropy: Arc<Entropy>,
}

impl Carrier {
    pub(crate) fn new(
        queue: Queue,
        settings: &Settings,
        dns: &DnsSettings,
        entropy: Arc<Entropy>,
    ) -> Result<Self, RouteError> {
        Ok(Self {
            queue,
            router: Router::new(settings, dns)?,
            tls: Tls::new(settings)?,
            pool: Pool::new(settings.keep_idle.get()),
            helo: settings.helo.clone(),
            timeouts: settings.timeouts.clone(),
            entropy,
        })
    }

    /// What connections for this copy are shared by.
    pub(crate) fn destination(&self, parcel: &Parcel) -> String {
        self.router.destination(parcel.recipient.domain())
    }

    /// Carries one copy: over a kept connection if there is a living one, else to the hosts of its route in turn.
    pub(crate) async fn carry(&self, parcel: &Arc<Parcel>) -> Attempt {
        let destination = self.destination(parcel);
        while let Some(kept) = self.pool.take(&destination) {
            let host = kept.host().to_owned();
            match self.send(kept, &destination, parcel).await {
                Ok(attempt) => return attempt,
                // It died while it was idle and has taken nothing: nobody needs to hear of it.
                Err(trouble) if trouble.is_stale() => {}
                Err(trouble) => return Attempt::troubled(&host, &trouble),
            }
        }
        match self.router.route(parcel.recipient.domain(), &self.entropy).await {
            Ok(route) => self.try_hosts(&route, parcel).await,
            Err(why) => Attempt::not_routed(&destination, &why),
        }
    }

    /// RFC 5321 §5.1: "try (and retry) each of the relevant addresses in this list in order". What concerns the copy and not
    /// the connection is the same at each address of one host, so then the next host is tried.
    async fn try_hosts(&self, route: &Route, parcel: &Arc<Parcel>) -> Attempt {
        let helo = self.helo.as_deref().unwrap_or(parcel.reverse_path.domain().as_str());
        let mut last = None;
        for host in &route.candidates {
            for endpoint in &host.endpoints {
                let opened = Connection::open(&host.name, endpoint, &self.tls, helo, &self.timeouts).await;
                let trouble = match opened {
                    Ok(connection) => match self.send(connection, &route.destination, parcel).await {
                        Ok(attempt) => return attempt,
                        Err(trouble) => trouble,
                    },
                    Err(trouble) => trouble,
                };
                let attempt = Attempt::troubled(&host.name, &trouble);
                if !trouble.may_try_next() {
                    return attempt;
                }
                last = Some(attempt);
                if trouble.is_about_the_copy() {
                    break;
                }
            }
        }
        last.unwrap_or_else(|| {
            Attempt::not_routed(&route.destination, &NoRoute::NotNow("there is no host to try".to_owned()))
        })
    }

    async fn send(
        &self,
        mut connection: Connection,
        destination: &str,
        parcel: &Arc<Parcel>,
    ) -> Result<Attempt, Trouble> {
        let sent = connection
            .send(parcel, |offset| read_piece(self.queue.clone(), Arc::clone(parcel), offset))
            .await;
        let attempt = sent.map(|reply| Attempt::delivered(connection.host(), &reply));
        self.pool.give(destination, connection);
        attempt
    }
}

async fn read_piece(queue: Queue, parcel: Arc<Parcel>, offset: u64) -> Result<Vec<u8>, String> {
    let read = tokio::task::spawn_blocking(move || queue.read_body(&parcel, offset, PIECE));
    read.await.map_err(|_| "reading it broke off".to_owned())?.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::route::{Endpoint, Host, TlsMode};
    use crate::egress::scripted::{self, Act, Heard, Hop, Script, body, say};

    /// A carrier, and a copy whose body lies in its queue.
    fn carrier(hop: &Hop) -> (Carrier, Arc<Parcel>) {
        let settings = Settings {
            smarthost: Some(hop.address.to_string().parse().unwrap()),
            tls: TlsMode::None,
            ..Settings::default()
        };
        let queue = scripted::queue();
        let parcel = scripted::parcel(1, "ada@example.org", 300_000);
        scripted::enqueue(&queue, &parcel, &body(300_000), scripted::NOW);
        let entropy = Arc::new(Entropy::seeded(1));
        (Carrier::new(queue, &settings, &DnsSettings::default(), entropy).unwrap(), Arc::new(parcel))
    }

    fn route(hosts: &[&[&Hop]]) -> Route {
        let host = |hops: &&[&Hop]| Host {
            name: "localhost".to_owned(),
            endpoints: hops.iter().map(|hop| Endpoint::Tcp(hop.address)).collect(),
        };
        Route {
            destination: "example.org".to_owned(),
            candidates: hosts.iter().map(host).collect(),
            tls: TlsMode::None,
        }
    }

    async fn answering(verb: &'static str, reply: &'static str) -> Hop {
        Hop::start(Script::new(&[], move |heard: &Heard| if heard.verb == verb { say(reply) } else { None }))
            .await
    }

    #[tokio::test]
    async fn a_body_is_read_from_the_queue_in_pieces_and_arrives_whole() {
        let hop = Hop::start(Script::willing(&["PIPELINING"])).await;
        let (carrier, parcel) = carrier(&hop);
        let attempt = carrier.carry(&parcel).await;
        assert_eq!(
            (attempt.outcome, attempt.code, attempt.reply.as_str()),
            (Outcome::Delivered, Some(250), "250 2.0.0 Ok")
        );
        assert_eq!(hop.messages(), [scripted::message(&parcel, &body(300_000))]);
    }

    #[tokio::test]
    async fn the_cause_for_the_log_is_in_our_words() {
        let grey = answering("RCPT", "451 4.7.1 <ada@example.org> greylisted").await;
        let (carrier, parcel) = carrier(&grey);
        let attempt = carrier.carry(&parcel).await;
        assert_eq!((attempt.cause.as_deref(), attempt.code), (Some("refused at RCPT TO"), Some(451)));
        assert!(attempt.reply.contains("ada@"), "the ledger has the whole reply");

        let silent = answering("DATA", "nonsense <ada@example.org>").await;
        let attempt = carrier.try_hosts(&route(&[&[&silent]]), &parcel).await;
        let cause = attempt.cause.unwrap();
        assert!(cause.starts_with("no proper reply to DATA") && !cause.contains("ada"), "{cause}");
        let willing = Hop::start(Script::willing(&[])).await;
        assert_eq!(carrier.try_hosts(&route(&[&[&willing]]), &parcel).await.cause, None);
    }

    #[tokio::test]
    async fn a_stored_body_that_is_not_whole_defers_the_copy() {
        let hop = Hop::start(Script::willing(&["PIPELINING"])).await;
        for (stored, length) in [(299_999, 300_000), (0, 1), (10, 9)] {
            let parcel = Arc::new(scripted::parcel(2, "ada@example.org", length));
            let (mut carrier, _) = carrier(&hop);
            carrier.queue = scripted::queue();
            scripted::enqueue(&carrier.queue, &parcel, &body(stored), scripted::NOW);
            let carried = tokio::time::timeout(std::time::Duration::from_secs(20), carrier.carry(&parcel));
            let attempt = carried.await.unwrap();
            assert_eq!(
                (attempt.outcome, attempt.reply.as_str()),
                (
                    Outcome::Deferred,
                    "the stored body cannot be read: it does not have the length it should have"
                )
            );
            assert_eq!(attempt.cause.as_deref(), Some(attempt.reply.as_str()), "the log says it, too");
        }
        assert_eq!(hop.messages().len(), 0);
    }

    #[tokio::test]
    async fn a_kept_connection_that_died_is_replaced_unseen() {
        for dying in [Act::Close, Act::SayAndClose("421 4.4.2 idle for too long\r\n".to_owned())] {
            let hop = Hop::start(Script::new(&["PIPELINING"], move |heard: &Heard| {
                let again = heard.verb == "MAIL" && heard.connection == 0 && heard.transaction == 1;
                again.then(|| dying.clone())
            }))
            .await;
            let (carrier, parcel) = carrier(&hop);
            for _ in 0..3 {
                assert_eq!(carrier.carry(&parcel).await.outcome, Outcome::Delivered);
            }
            assert_eq!((hop.messages().len(), hop.connections()), (3, 2));
        }
    }

    #[tokio::test]
    async fn a_refusal_over_a_kept_connection_is_a_refusal() {
        let hop = Hop::start(Script::new(&[], |heard: &Heard| {
            if heard.verb == "RCPT" && heard.transaction == 1 { say("451 4.7.1 greylisted") } else { None }
        }))
        .await;
        let (carrier, parcel) = carrier(&hop);
        assert_eq!(carrier.carry(&parcel).await.outcome, Outcome::Delivered);
        let attempt = carrier.carry(&parcel).await;
        assert_eq!((attempt.outcome, attempt.code), (Outcome::Deferred, Some(451)));
        assert_eq!(carrier.carry(&parcel).await.outcome, Outcome::Delivered, "and the connection goes on");
        assert_eq!(hop.connections(), 1);
    }

    #[tokio::test]
    async fn the_next_host_is_tried_when_one_is_not_to_be_had() {
        let good = Hop::start(Script::willing(&[])).await;
        let busy = answering("CONNECT", "421 4.3.2 busy").await;
        let unwilling = answering("CONNECT", "554 5.7.1 not you").await;
        let grey = answering("RCPT", "451 4.7.1 greylisted").await;
        let (carrier, parcel) = carrier(&good);
        let attempt =
            carrier.try_hosts(&route(&[&[&busy], &[&unwilling], &[&grey, &grey], &[&good]]), &parcel).await;
        assert_eq!(attempt.outcome, Outcome::Delivered);
        assert_eq!((grey.connections(), good.messages().len()), (1, 1), "one greylisting host is asked once");
        let attempt = carrier.try_hosts(&route(&[&[&busy, &unwilling]]), &parcel).await;
        assert_eq!((attempt.outcome, attempt.reply.as_str()), (Outcome::Deferred, "554 5.7.1 not you"));
    }

    #[tokio::test]
    async fn no_second_host_after_a_verdict_or_a_lost_reply() {
        let good = Hop::start(Script::willing(&[])).await;
        let never = answering("RCPT", "550 5.1.1 unknown").await;
        let silent =
            Hop::start(Script::new(&[], |heard: &Heard| (heard.verb == "DOT").then_some(Act::Close))).await;
        let (carrier, parcel) = carrier(&good);
        let attempt = carrier.try_hosts(&route(&[&[&never], &[&good]]), &parcel).await;
        assert_eq!((attempt.outcome, attempt.code), (Outcome::Failed, Some(550)));
        let attempt = carrier.try_hosts(&route(&[&[&silent, &good], &[&good]]), &parcel).await;
        assert_eq!(attempt.outcome, Outcome::Deferred);
        assert!(attempt.reply.starts_with("reply lost"), "{}", attempt.reply);
        assert_eq!(good.connections(), 0);
    }
}
