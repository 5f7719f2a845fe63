//! One connection against a host that follows a script.

use std::time::{Duration, Instant};

use super::*;
use crate::egress::route::{Settings, TlsMode};
use crate::egress::scripted::{Act, Heard, Hop, Script, body, message, parcel, say};

/// One limit for all steps.
pub(super) fn timeouts(limit: Period) -> Timeouts {
    Timeouts { connect: limit, greeting: limit, command: limit, data: limit, block: limit, dot: limit }
}

/// Long enough for any machine; a test that reaches it has failed.
pub(super) const PATIENT: Period = Period::secs(30);

/// Short, for hosts that are silent on purpose.
const HASTY: Period = Period::millis(300);

pub(super) fn clear() -> Tls {
    let smarthost = Some("localhost:25".parse().unwrap());
    Tls::new(&Settings { tls: TlsMode::None, smarthost, ..Settings::default() }.rules().unwrap()).unwrap()
}

pub(super) async fn open(hop: &Hop, tls: &Tls) -> Result<Connection, Trouble> {
    open_within(hop, tls, PATIENT).await
}

async fn open_within(hop: &Hop, tls: &Tls, limit: Period) -> Result<Connection, Trouble> {
    let endpoint = Endpoint::Tcp(hop.address);
    Connection::open("localhost", &endpoint, tls, "relay.example.org", &timeouts(limit)).await
}

/// Delivers over an open connection, the body in pieces of `step` bytes.
pub(super) async fn send(
    connection: &mut Connection,
    parcel: &Parcel,
    body: &[u8],
    step: usize,
) -> Result<String, Trouble> {
    let body = body.to_vec();
    let pieces = |offset| {
        let rest = &body[usize::try_from(offset).unwrap().min(body.len())..];
        let piece = rest[..step.min(rest.len())].to_vec();
        async move { Ok(piece) }
    };
    connection.send(parcel, pieces, &mut || None).await.map(|reply| shown(&reply))
}

/// One delivery to a host with this script; also whether the connection can be used again.
async fn try_one(script: Script) -> (Result<String, Trouble>, Option<bool>, Hop) {
    try_within(script, PATIENT).await
}

async fn try_within(script: Script, limit: Period) -> (Result<String, Trouble>, Option<bool>, Hop) {
    let hop = Hop::start(script).await;
    let mut connection = match open_within(&hop, &clear(), limit).await {
        Ok(connection) => connection,
        Err(trouble) => return (Err(trouble), None, hop),
    };
    let sent = send(&mut connection, &parcel(1, "ada@example.org", 1000), &body(1000), 300).await;
    (sent, Some(connection.is_reusable()), hop)
}

pub(super) const PIPELINED: &[&str] = &["PIPELINING", "SIZE 1000000", "DSN"];

#[tokio::test]
async fn a_copy_arrives_byte_for_byte() {
    let parcel = parcel(1, "ada@example.org", 10_000);
    let hop = Hop::start(Script::willing(&["SIZE", "DSN", "8BITMIME"])).await;
    let mut connection = open(&hop, &clear()).await.unwrap();
    assert_eq!(send(&mut connection, &parcel, &body(10_000), 777).await.unwrap(), "250 2.0.0 Ok");
    connection.quit().await;

    let messages = hop.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(
        String::from_utf8_lossy(&messages[0]),
        String::from_utf8_lossy(&message(&parcel, &body(10_000)))
    );
    let mail = format!(
        "MAIL FROM:<security-bounces+token@lists.example.org> SIZE={} RET=HDRS ENVID={}",
        messages[0].len(),
        parcel.id
    );
    let heard = ["EHLO relay.example.org", &mail, "RCPT TO:<ada@example.org>", "DATA", "QUIT"];
    assert_eq!(hop.commands(), heard);

    let text = String::from_utf8(messages[0].clone()).unwrap();
    let armor = text.split("-----BEGIN PGP MESSAGE-----").nth(1).unwrap().split("-----END").next().unwrap();
    let packets = base64_simd::STANDARD.decode_to_vec(armor.replace("\r\n", "")).unwrap();
    assert_eq!(packets, [parcel.key.as_bytes(), &body(10_000)].concat());
}

#[tokio::test]
async fn one_connection_carries_many_copies() {
    for offers in [&[][..], PIPELINED] {
        let hop = Hop::start(Script::willing(offers)).await;
        let mut connection = open(&hop, &clear()).await.unwrap();
        for n in 0..5 {
            let parcel = parcel(n, "ada@example.org", 100);
            send(&mut connection, &parcel, &body(100), 100).await.unwrap();
            assert!(connection.is_reusable());
            assert_eq!(hop.messages()[usize::try_from(n).unwrap()], message(&parcel, &body(100)));
        }
        assert_eq!((hop.connections(), hop.heard("EHLO"), hop.heard("RSET")), (1, 1, 0));
    }
}

#[tokio::test]
async fn a_host_that_offers_nothing_gets_no_parameters() {
    let (sent, ..) = try_one(Script::new(&[], |heard| {
        let bare =
            heard.verb != "MAIL" || heard.line == "MAIL FROM:<security-bounces+token@lists.example.org>";
        if bare { None } else { say("555 5.5.4 unknown parameter") }
    }))
    .await;
    sent.unwrap();
}

#[tokio::test]
async fn a_pipeline_is_sent_without_waiting() {
    // MAIL is answered only when DATA was heard: a client that waits would never get there.
    let (sent, reusable, _) = try_one(Script::new(PIPELINED, |heard| match heard.verb {
        "MAIL" | "RCPT" => Some(Act::Say(String::new())),
        "DATA" => Some(Act::Say("250 sender\r\n250 recipient\r\n354 go\r\n".to_owned())),
        _ => None,
    }))
    .await;
    assert_eq!((sent.unwrap().as_str(), reusable), ("250 2.0.0 Ok", Some(true)));
}

#[tokio::test]
async fn refusals_are_for_good_or_for_now_and_leave_the_connection_usable() {
    for offers in [&[][..], PIPELINED] {
        for verb in ["MAIL", "RCPT", "DATA", "DOT"] {
            for (code, permanent) in [("451 4.3.0 later", false), ("550 5.7.1 never", true)] {
                let (sent, reusable, hop) = try_one(Script::new(offers, move |heard| {
                    let after = match verb {
                        "MAIL" => ["MAIL", "RCPT", "DATA"].contains(&heard.verb),
                        "RCPT" => ["RCPT", "DATA"].contains(&heard.verb),
                        _ => heard.verb == verb,
                    };
                    let own = heard.verb == verb;
                    if own {
                        say(code)
                    } else if after {
                        say("503 5.5.1 out of order")
                    } else {
                        None
                    }
                }))
                .await;
                let trouble = sent.unwrap_err();
                assert_eq!(trouble.to_string(), code, "{verb}: the first refusal counts");
                assert_eq!(trouble.is_permanent(), permanent, "{verb} {code}");
                assert_eq!(reusable, Some(true), "{verb} {code}");
                assert_eq!(hop.heard("RSET"), 1, "{verb} {code}");
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_refuses_itself_is_no_verdict_on_the_copy() {
    for verb in ["CONNECT", "EHLO"] {
        for code in ["421 4.3.2 busy", "554 5.7.1 not you"] {
            let refuse = move |heard: &Heard| if heard.verb == verb { say(code) } else { None };
            let (sent, ..) = try_one(Script::new(&[], refuse)).await;
            let trouble = sent.unwrap_err();
            assert!(!trouble.is_permanent() && trouble.may_try_next(), "{verb} {code}");
            assert_eq!(trouble.to_string(), code);
        }
    }
}

#[tokio::test]
async fn after_421_the_connection_is_given_up() {
    for offers in [&[][..], PIPELINED] {
        for verb in ["MAIL", "RCPT", "DATA", "DOT"] {
            for act in [Act::SayAndClose, Act::Say] {
                let act = act("421 4.3.2 shutting down\r\n".to_owned());
                let script = Script::new(offers, move |heard| (heard.verb == verb).then(|| act.clone()));
                let (sent, reusable, hop) = try_one(script).await;
                let trouble = sent.unwrap_err();
                assert_eq!(trouble.to_string(), "421 4.3.2 shutting down");
                assert!(!trouble.is_permanent());
                assert_eq!((reusable, hop.heard("RSET")), (Some(false), 0), "{verb}");
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_wants_content_after_it_refused_the_recipient_gets_none() {
    let refuse = |heard: &Heard| if heard.verb == "RCPT" { say("550 5.1.1 unknown") } else { None };
    let begun = Instant::now();
    let (sent, reusable, hop) = try_one(Script::new(PIPELINED, refuse)).await;
    assert!(sent.unwrap_err().is_permanent());
    assert_eq!((reusable, hop.messages().len()), (Some(false), 0));
    assert!(begun.elapsed() < PATIENT.get(), "nothing more is said to it, nor waited for");
}

#[tokio::test]
async fn silence_and_hanging_up_at_each_step_defer() {
    for verb in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"] {
        for act in [Act::Hang, Act::Close] {
            let (does, begun) = (act.clone(), Instant::now());
            let limit = if matches!(act, Act::Hang) { HASTY } else { PATIENT };
            let script = Script::new(&[], move |heard| (heard.verb == verb).then(|| does.clone()));
            let (sent, reusable, _) = try_within(script, limit).await;
            let trouble = sent.unwrap_err();
            assert!(!trouble.is_permanent(), "{verb} {act:?}");
            assert_ne!(reusable, Some(true), "{verb} {act:?}");
            assert!(begun.elapsed() < Duration::from_secs(10), "{verb} {act:?}");
            let text = trouble.to_string();
            let right = match act {
                Act::Hang => matches!(trouble, Trouble::Timeout(_)) && text.contains("timeout after"),
                _ => matches!(trouble, Trouble::Closed(_) | Trouble::Io(..)),
            };
            assert!(right, "{verb} {act:?}: {text}");
            // Only when content and dot are out may the copy have been taken; then no other host is asked.
            assert_eq!(text.starts_with("reply lost"), verb == "DOT", "{verb} {act:?}: {text}");
            assert_eq!(trouble.may_try_next(), verb != "DOT", "{verb} {act:?}");
        }
    }
}

#[tokio::test]
async fn malformed_replies_defer() {
    for verb in ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"] {
        for nonsense in ["hello\r\n", "250-a\r\n251 b\r\n", "250 bare\n", "650 what\r\n"] {
            let act = Act::Say(nonsense.to_owned());
            let (sent, reusable, _) =
                try_one(Script::new(&[], move |heard| (heard.verb == verb).then(|| act.clone()))).await;
            let trouble = sent.unwrap_err();
            assert!(matches!(trouble, Trouble::Malformed(..)), "{verb} {nonsense:?}: {trouble}");
            assert!(!trouble.is_permanent());
            assert_ne!(reusable, Some(true), "{verb} {nonsense:?}");
        }
    }
    let (sent, ..) =
        try_one(Script::new(&[], |h| if h.verb == "DATA" { say("250 fine") } else { None })).await;
    assert!(matches!(sent, Err(Trouble::Malformed(Step::Data, _))), "DATA wants a 354: {sent:?}");
}

#[tokio::test]
async fn replies_of_many_lines_are_one_reply() {
    let (sent, reusable, _) = try_one(Script::new(PIPELINED, |heard| match heard.verb {
        "CONNECT" => say("220-welcome\r\n220-to\r\n220 this"),
        "MAIL" => say("250-2.1.0\r\n250 Ok"),
        "DOT" => say("250-2.0.0 first\r\n250 2.0.0 second"),
        _ => None,
    }))
    .await;
    assert_eq!((sent.unwrap().as_str(), reusable), ("250 2.0.0 first 2.0.0 second", Some(true)));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_whole_never_gets_its_dot() {
    let hop = Hop::start(Script::willing(PIPELINED)).await;
    for held in [0, 400, 1001] {
        let mut connection = open(&hop, &clear()).await.unwrap();
        let sent = send(&mut connection, &parcel(1, "ada@example.org", 1000), &body(held), 1001).await;
        assert!(matches!(sent, Err(Trouble::Body(_))), "{held}: {sent:?}");
        assert!(!connection.is_reusable());
    }
    let mut connection = open(&hop, &clear()).await.unwrap();
    let failing = |_| async { Err("disk".to_owned()) };
    let trouble =
        connection.send(&parcel(1, "ada@example.org", 10), failing, &mut || None).await.unwrap_err();
    assert!(!trouble.is_permanent() && !trouble.may_try_next(), "{trouble}");
    assert_eq!(hop.messages().len(), 0);
}

#[tokio::test]
async fn what_a_hop_cannot_carry_is_known_before_it_is_tried() {
    let hop = Hop::start(Script::willing(&["SIZE 2000"])).await;
    let mut connection = open(&hop, &clear()).await.unwrap();
    let large =
        send(&mut connection, &parcel(1, "ada@example.org", 3000), &body(3000), 3000).await.unwrap_err();
    assert!(large.is_permanent() && large.to_string().starts_with("5.3.4"), "{large}");
    let utf8 = send(&mut connection, &parcel(2, "dörte@example.org", 10), &body(10), 10).await.unwrap_err();
    assert!(utf8.is_permanent() && utf8.to_string().starts_with("5.6.7"), "{utf8}");
    assert!(connection.is_reusable(), "nothing was said");
    assert_eq!(hop.heard("MAIL"), 0);

    let hop = Hop::start(Script::willing(&["SMTPUTF8", "8BITMIME"])).await;
    let mut connection = open(&hop, &clear()).await.unwrap();
    send(&mut connection, &parcel(2, "dörte@example.org", 10), &body(10), 10).await.unwrap();
    let heard = hop.commands();
    assert!(heard[1].ends_with("> SMTPUTF8") && heard[2] == "RCPT TO:<dörte@example.org>", "{heard:?}");
}

#[tokio::test]
async fn local_parts_keep_their_quotes() {
    let hop = Hop::start(Script::willing(&[])).await;
    let mut connection = open(&hop, &clear()).await.unwrap();
    send(&mut connection, &parcel(1, "\"a b\"@example.org", 10), &body(10), 10).await.unwrap();
    assert!(hop.commands().contains(&"RCPT TO:<\"a b\"@example.org>".to_owned()));
}

#[tokio::test]
async fn a_line_that_begins_with_a_dot_arrives_as_it_was() {
    let mut parcel = parcel(1, "ada@example.org", 10);
    parcel.head.fields = "Subject: a\r\n.\r\n..b\nbare: line end\r\n".to_owned();
    let hop = Hop::start(Script::willing(PIPELINED)).await;
    let mut connection = open(&hop, &clear()).await.unwrap();
    send(&mut connection, &parcel, &body(10), 10).await.unwrap();
    let wire = String::from_utf8(hop.messages().remove(0)).unwrap();
    assert!(wire.starts_with("Subject: a\r\n..\r\n...b\r\nbare: line end\r\nMIME-Version"), "{wire}");
}

#[test]
fn line_ends_and_dots_on_the_wire() {
    for (text, wire) in [
        ("a\r\nb\r\n", "a\r\nb\r\n"),
        ("a\nb\rc\r\n", "a\r\nb\r\nc\r\n"),
        (".\r\n", "..\r\n"),
        ("a\n.\nb\r\n", "a\r\n..\r\nb\r\n"),
        ("a\r.\r\n", "a\r\n..\r\n"),
        ("a.\r\n", "a.\r\n"),
    ] {
        assert_eq!(content::on_the_wire(text.as_bytes()), wire.as_bytes(), "{text:?}");
    }
}

#[tokio::test]
async fn in_the_clear_nothing_outside_this_machine_is_reached() {
    let far = Endpoint::Tcp(([192, 0, 2, 1], 25).into());
    let opened =
        Connection::open("far.example.org", &far, &clear(), "relay.example.org", &timeouts(PATIENT)).await;
    assert!(matches!(opened, Err(Trouble::NotLocal)));
}

#[tokio::test]
async fn a_unix_socket_is_a_next_hop() {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("smtp.sock");
    let hop = Hop::start_unix(&path, Script::willing(PIPELINED));
    let endpoint = Endpoint::Unix(path);
    let mut connection =
        Connection::open("localhost", &endpoint, &clear(), "relay.example.org", &timeouts(PATIENT))
            .await
            .unwrap();
    let parcel = parcel(1, "ada@example.org", 10);
    send(&mut connection, &parcel, &body(10), 10).await.unwrap();
    assert_eq!(hop.messages(), [message(&parcel, &body(10))]);
}
