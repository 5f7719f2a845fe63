//! Rates, room and slowness, from outside with short settings.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use crate::flood::from;
use crate::outside::daemon::Daemon;
use crate::outside::install::{Install, SECURITY};
use crate::outside::smtp::{Client, Reply};

const MAIL: &[u8] = b"Subject: x\r\n\r\nHelp.\r\n";

fn begin(client: &mut Client, from: &str) -> Reply {
    client.command("RSET");
    client.command(&format!("MAIL FROM:<{from}>"))
}

#[test]
fn whoever_comes_too_often_is_put_off_and_mail_servers_in_front_are_not() {
    let changes = [
        ("#exempt = [\"unix\", \"127.0.0.0/8\", \"::1/128\"]", "exempt = [\"unix\"]"),
        ("#mails_per_minute = 60", "mails_per_minute = 4"),
        ("#connections_per_minute = 120", "connections_per_minute = 3"),
        ("#recipients_per_minute = 300", "recipients_per_minute = 5"),
        ("#sender_mails_per_hour = 0", "sender_mails_per_hour = 5"),
        ("[lmtp]\n#listen", "[lmtp]\nlisten"),
    ];
    let install = Install::edited("127.0.0.1:1", &changes);
    let daemon = Daemon::start(&install);
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    for n in 0..4 {
        assert_eq!(begin(&mut client, &format!("a{n}@x.example")).code, 250);
    }
    let often = begin(&mut client, "a@x.example");
    assert_eq!(often.code, 450);
    assert!(
        often
            .text
            .starts_with("4.7.1 Too many mails from your address, at most 4 in one minute; try again in"),
        "{often:?}"
    );
    client.quit();

    let mut client = Client::tcp(daemon.smtp()).ehlo();
    // The client has no mail left, and is told at every try, until it is sent away.
    let replies: Vec<u16> = (0..12)
        .map_while(|_| client.say(b"MAIL FROM:<>\r\n").then(|| client.hear()).flatten())
        .map(|r| r.code)
        .collect();
    assert_eq!(replies.iter().filter(|code| **code == 450).count(), 11, "{replies:?}");
    assert_eq!(replies.last(), Some(&421));
    Client::tcp(daemon.smtp()).quit();
    assert!(Client::try_tcp(daemon.smtp()).is_none(), "the fourth connection in a minute");
    assert!(daemon.wait_for_line("connections refused"));

    // The mail server in front brings everybody's mail; its senders are told apart.
    let mut front = Client::unix(&daemon.lmtp()).lhlo();
    for _ in 0..5 {
        assert_eq!(begin(&mut front, "rita@reporter.example").code, 250);
    }
    let often = begin(&mut front, "rita@reporter.example");
    assert!(often.code == 450 && often.text.contains("from this sender, at most 5 in one hour"), "{often:?}");
    for _ in 0..8 {
        assert_eq!(begin(&mut front, "").code, 250, "bounces have no sender");
        assert_eq!(front.command(&format!("RCPT TO:<{SECURITY}>")).code, 250);
    }
}

#[test]
fn recipients_have_a_rate_of_their_own() {
    let changes = [
        ("#exempt = [\"unix\", \"127.0.0.0/8\", \"::1/128\"]", "exempt = []"),
        ("#recipients_per_minute = 300", "recipients_per_minute = 3"),
    ];
    let install = Install::edited("127.0.0.1:1", &changes);
    let daemon = Daemon::start(&install);
    let mut client = Client::tcp(daemon.smtp()).ehlo();
    client.command("MAIL FROM:<>");
    let to = format!("RCPT TO:<{SECURITY}>");
    let codes: Vec<u16> = (0..4).map(|_| client.command(&to).code).collect();
    assert_eq!(codes, [250, 250, 250, 450]);
}

#[test]
fn what_has_no_room_is_put_off_at_once_and_told_to_the_admin() {
    let install = Install::edited("127.0.0.1:1", &[("#min_free_disk = 5", "min_free_disk = 99")]);
    let daemon = Daemon::start(&install);
    let reply = begin(&mut Client::tcp(daemon.smtp()).ehlo(), "rita@reporter.example");
    assert!(reply.code == 452 && reply.text.starts_with("4.3.1 No room"), "{reply:?}");
    assert!(daemon.wait_for_line("mail is put off: there is no room"));
    let status = install.ok(&["status"]);
    assert!(status.contains("99 % (min_free_disk)"), "{status}");
    daemon.stop();

    // RFC 1870 §6.1: what is declared larger than the disk is refused before it comes.
    install.edit("min_free_disk = 99", "min_free_disk = 0");
    install.edit("#max_memory = 2147483648", "max_memory = 1000000");
    let daemon = Daemon::start(&install);
    let reply = begin(&mut Client::tcp(daemon.smtp()).ehlo(), "rita@reporter.example");
    assert!(reply.code == 452 && reply.text.starts_with("4.3.1 No memory"), "{reply:?}");
    assert!(daemon.wait_for_line("why=\"memory\""));
}

#[test]
fn slow_clients_of_every_kind_are_cut_and_counted() {
    let changes = [
        ("#command_timeout = 300", "command_timeout = 2"),
        ("#data_grace = 60", "data_grace = 2"),
        ("#crowded_timeout = 10", "crowded_timeout = 2"),
    ];
    let install = Install::edited("127.0.0.1:1", &changes);
    let daemon = Daemon::start(&install);
    let to = daemon.smtp();
    let data = format!("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<{SECURITY}>\r\nDATA\r\n");
    let kinds: Vec<(&str, String, &[u8], bool)> = vec![
        ("says nothing", String::new(), b"", true),
        ("a byte of a command at a time", String::new(), b"N", true),
        ("a byte of a message at a time", data, b"x", true),
        ("does not take what it is told", "EHLO a\r\n".repeat(90), b"", true),
    ];
    Runtime::new().unwrap().block_on(async {
        let mut tasks = Vec::new();
        for (what, first, again, hears) in kinds {
            tasks.push(tokio::spawn(async move {
                let begun = Instant::now();
                let mut stream = from("127.0.0.3", to).await.unwrap();
                stream.write_all(first.as_bytes()).await.unwrap();
                let mut heard = Vec::new();
                while begun.elapsed() < Duration::from_secs(20) {
                    let mut buffer = [0; 4096];
                    match tokio::time::timeout(Duration::from_millis(500), stream.read(&mut buffer)).await {
                        Ok(Ok(0) | Err(_)) => break,
                        Ok(Ok(length)) if hears => heard.extend_from_slice(&buffer[..length]),
                        _ => {}
                    }
                    let _ = stream.write_all(again).await;
                }
                (what, begun.elapsed(), String::from_utf8(heard).unwrap())
            }));
        }
        for task in tasks {
            let (what, lasted, heard) = task.await.unwrap();
            assert!(lasted < Duration::from_secs(9), "{what}: {lasted:?}");
            assert!(heard.contains("421 4.4.2") || heard.contains("421 4.7.0"), "{what}: {heard}");
        }
    });
    daemon.wait_for_lines("late=true", 3);
    let reply = Client::tcp(to).ehlo().mail("rita@reporter.example", &[SECURITY], MAIL);
    assert_eq!(reply.code, 250, "{reply:?}");
}
