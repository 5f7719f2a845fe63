//! What is handed on of what a server sends, and what is not.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

/// What is handed on of this, sent in pieces of that size, with literals up to `allowed`.
async fn through(sent: &[u8], piece: usize, allowed: u64) -> Result<Vec<u8>, Overstep> {
    let (mut server, client) = duplex(1 << 20);
    let mut limited = Limited::new(client);
    limited.enter(Phase::Session);
    limited.allow(allowed);
    let sent = sent.to_vec();
    let sending = tokio::spawn(async move {
        for piece in sent.chunks(piece) {
            if server.write_all(piece).await.is_err() {
                break;
            }
        }
    });
    let mut got = Vec::new();
    let read = limited.read_to_end(&mut got).await;
    sending.abort();
    match read {
        Ok(_) => Ok(got),
        Err(error) => Err(*error.get_ref().unwrap().downcast_ref::<Overstep>().unwrap()),
    }
}

#[tokio::test]
async fn what_was_agreed_to_passes_in_whole_lines() {
    let mail = b"* 1 FETCH (UID 7 BODY[] {5}\r\na\r\n{9)\r\n* 2 FETCH (UID 8 BODY[] {2}\r\nxy)\r\nA1 OK\r\n";
    for piece in [1, 2, 3, 7, 1000] {
        assert_eq!(through(mail, piece, 5).await.unwrap(), mail, "in pieces of {piece}");
    }
    assert_eq!(through(b"* OK a\r\n* OK b", 4, 0).await.unwrap(), b"* OK a\r\n", "half a line is none");
}

#[tokio::test]
async fn what_was_not_agreed_to_does_not() {
    let literal = |announced, allowed| Err(Overstep::Literal { announced, allowed });
    assert_eq!(through(b"* 1 FETCH (BODY[] {4294967296}\r\n", 5, 10).await, literal(1 << 32, 10));
    assert_eq!(through(b"* 1 fetch (Uid 7 Body[] {1}\r\n", 5, 0).await, literal(1, 0), "none was asked for");
    let many = format!("* 1 FETCH (BODY[] {{{}}}\r\n", "9".repeat(500));
    assert_eq!(through(many.as_bytes(), 500, 10).await, literal(u64::MAX, 10));
    let two = b"* 1 FETCH (BODY[] {2}\r\nab BODY[] {2}\r\nab)\r\n";
    assert_eq!(through(two, 50, 2).await, literal(2, 0), "one in a response");
    assert_eq!(through(&[b'a'; MAX_LINE + 1], 1000, 0).await, Err(Overstep::Line));
    let split = [&b"* 1 FETCH ("[..], &b"BODY[] {0}\r\n".repeat(2)].concat();
    assert_eq!(through(&split, 9, 0).await.unwrap(), split, "nothing is no literal");
    let endless = [&b"* 1 FETCH ("[..], &b"BODY[] {0}\r\n".repeat(MAX_LINE / 12 + 1)].concat();
    assert_eq!(through(&endless, 1000, 0).await, Err(Overstep::Line), "a response, whatever it is cut into");
    let deep = b"(".repeat(MAX_OPENED + 1);
    assert_eq!(through(&deep, 1, 0).await, Err(Overstep::Depth));
    assert!(through(&b"* OK (0.1 + 0.2 s)\r\n".repeat(100), 9, 0).await.is_ok());
}

/// The library would cut it at its second byte, and panic there.
#[tokio::test]
async fn texts_are_ascii_and_mails_are_what_they_are() {
    let sent = b"* OK [ALERT]\xe0 ready\r\n* 1 FETCH (UID 7 BODY[] {2}\r\n\xc3\xa4)\r\n";
    let got = b"* OK [ALERT]? ready\r\n* 1 FETCH (UID 7 BODY[] {2}\r\n\xc3\xa4)\r\n";
    for piece in [1, 3, 1000] {
        assert_eq!(through(sent, piece, 5).await.unwrap(), got, "in pieces of {piece}");
    }
}

/// The library takes these for text, and would read on where we saw bytes of a mail.
#[tokio::test]
async fn nothing_hides_behind_what_only_looks_like_a_literal() {
    let deep = "(".repeat(60_000);
    for line in [
        "* OK x {60024}",
        "* OK BODY[] {60024}",
        "* 1 FETCH (BODYSTRUCTURE {60024}",
        "* 1 FETCHED (BODY[] {60024}",
        "* FETCH (BODY[] {60024}",
        "A1 OK BODY[] {60024}",
        "+ {60024+}",
    ] {
        let sent = format!("{line}\r\n* 1 FETCH (BODYSTRUCTURE {deep}\r\n");
        assert_eq!(through(sent.as_bytes(), 1000, 1 << 20).await, Err(Overstep::Misplaced), "{line}");
    }
}

#[tokio::test]
async fn what_closes_in_a_quoted_string_closes_nothing() {
    let deep = format!("* 1 FETCH (BODYSTRUCTURE (\"A\" {}\r\n", "(\")\" ".repeat(10_000));
    assert_eq!(through(deep.as_bytes(), 1000, 0).await, Err(Overstep::Depth));
}

#[tokio::test]
async fn a_login_hears_only_what_answers_it() {
    let (mut server, client) = duplex(1 << 10);
    let mut limited = Limited::new(client);
    server.write_all(b"* OK hello\r\n* OK wait\r\n+ \r\n* OK wait\r\nA1 OK\r\n* 1 EXISTS\r\n").await.unwrap();
    drop(server);
    let mut line = [0; 100];
    let read = limited.read(&mut line).await.unwrap();
    assert_eq!(&line[..read], b"* OK hello\r\n");
    limited.enter(Phase::Login);
    for expected in [&b"+ "[..], b"\r\n", b"A1 OK\r\n"] {
        let read = limited.read(&mut line[..expected.len()]).await.unwrap();
        assert_eq!(&line[..read], expected);
    }
    limited.enter(Phase::Session);
    let read = limited.read(&mut line).await.unwrap();
    assert_eq!(&line[..read], b"* 1 EXISTS\r\n");
}

#[tokio::test]
async fn a_command_leaves_in_one_piece_when_it_is_flushed() {
    let (mut server, client) = duplex(1 << 10);
    let mut limited = Limited::new(client);
    limited.write_all(b"A1").await.unwrap();
    limited.write_all(b" NOOP\r\n").await.unwrap();
    limited.flush().await.unwrap();
    let mut got = [0; 20];
    assert_eq!(server.read(&mut got).await.unwrap(), 9);
}
