//! One copy and the hosts of its route.

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
    let attempt = carrier.carry(&parcel, &mut None, &mut || None).await;
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
    let attempt = carrier.carry(&parcel, &mut None, &mut || None).await;
    assert_eq!((attempt.cause.as_deref(), attempt.code), (Some("refused at RCPT TO"), Some(451)));
    assert!(attempt.reply.contains("ada@"), "the ledger has the whole reply");

    let silent = answering("DATA", "nonsense <ada@example.org>").await;
    let attempt = carrier.try_hosts(&route(&[&[&silent]]), &parcel, &mut None, &mut || None).await;
    let cause = attempt.cause.unwrap();
    assert!(cause.starts_with("no proper reply to DATA") && !cause.contains("ada"), "{cause}");
    let willing = Hop::start(Script::willing(&[])).await;
    assert_eq!(carrier.try_hosts(&route(&[&[&willing]]), &parcel, &mut None, &mut || None).await.cause, None);
}

#[tokio::test]
async fn a_stored_body_that_is_not_whole_defers_the_copy() {
    let hop = Hop::start(Script::willing(&["PIPELINING"])).await;
    for (stored, length) in [(299_999, 300_000), (0, 1), (10, 9)] {
        let parcel = Arc::new(scripted::parcel(2, "ada@example.org", length));
        let (mut carrier, _) = carrier(&hop);
        carrier.queue = scripted::queue();
        scripted::enqueue(&carrier.queue, &parcel, &body(stored), scripted::NOW);
        let (line, next) = (&mut None, &mut || None);
        let carried = carrier.carry(&parcel, line, next);
        let attempt = tokio::time::timeout(std::time::Duration::from_secs(20), carried).await.unwrap();
        assert_eq!(
            (attempt.outcome, attempt.reply.as_str()),
            (Outcome::Deferred, "the stored body cannot be read: it does not have the length it should have")
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
            assert_eq!(carrier.carry(&parcel, &mut None, &mut || None).await.outcome, Outcome::Delivered);
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
    assert_eq!(carrier.carry(&parcel, &mut None, &mut || None).await.outcome, Outcome::Delivered);
    let attempt = carrier.carry(&parcel, &mut None, &mut || None).await;
    assert_eq!((attempt.outcome, attempt.code), (Outcome::Deferred, Some(451)));
    assert_eq!(
        carrier.carry(&parcel, &mut None, &mut || None).await.outcome,
        Outcome::Delivered,
        "and the connection goes on"
    );
    assert_eq!(hop.connections(), 1);
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_is_not_to_be_had() {
    let good = Hop::start(Script::willing(&[])).await;
    let busy = answering("CONNECT", "421 4.3.2 busy").await;
    let unwilling = answering("CONNECT", "554 5.7.1 not you").await;
    let grey = answering("RCPT", "451 4.7.1 greylisted").await;
    let (carrier, parcel) = carrier(&good);
    let attempt = carrier
        .try_hosts(
            &route(&[&[&busy], &[&unwilling], &[&grey, &grey], &[&good]]),
            &parcel,
            &mut None,
            &mut || None,
        )
        .await;
    assert_eq!(attempt.outcome, Outcome::Delivered);
    assert_eq!((grey.connections(), good.messages().len()), (1, 1), "one greylisting host is asked once");
    let attempt = carrier.try_hosts(&route(&[&[&busy, &unwilling]]), &parcel, &mut None, &mut || None).await;
    assert_eq!((attempt.outcome, attempt.reply.as_str()), (Outcome::Deferred, "554 5.7.1 not you"));
}

#[tokio::test]
async fn no_second_host_after_a_verdict_or_a_lost_reply() {
    let good = Hop::start(Script::willing(&[])).await;
    let never = answering("RCPT", "550 5.1.1 unknown").await;
    let silent =
        Hop::start(Script::new(&[], |heard: &Heard| (heard.verb == "DOT").then_some(Act::Close))).await;
    let (carrier, parcel) = carrier(&good);
    let attempt = carrier.try_hosts(&route(&[&[&never], &[&good]]), &parcel, &mut None, &mut || None).await;
    assert_eq!((attempt.outcome, attempt.code), (Outcome::Failed, Some(550)));
    let attempt =
        carrier.try_hosts(&route(&[&[&silent, &good], &[&good]]), &parcel, &mut None, &mut || None).await;
    assert_eq!(attempt.outcome, Outcome::Deferred);
    assert!(attempt.reply.starts_with("reply lost"), "{}", attempt.reply);
    assert_eq!(good.connections(), 0);
}
