//! Mail clients by hand: swaks in its modes, and programs that speak SMTP in their own way.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::outside::install::SECURITY;
use crate::outside::mail::entity;
use crate::outside::scene::Scene;
use crate::outside::skip;
use crate::outside::smtp::{Client, dotted};

/// Runs swaks; returns what it and the relay said.
fn swaks(args: &[&str]) -> String {
    let output = Command::new("swaks").args(["--timeout", "30"]).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "swaks {args:?}: {said}{err}");
    said
}

#[test]
fn swaks_delivers_in_each_of_its_modes() {
    if Command::new("swaks").arg("--version").output().is_err() {
        return skip("swaks");
    }
    if !Command::new("perl").args(["-MNet::SSLeay", "-e", "1"]).output().is_ok_and(|ran| ran.status.success())
    {
        return skip("libnet-ssleay-perl");
    }
    let made = rcgen::generate_simple_self_signed(vec!["lists.example".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let changes = [
        ("#tls_cert = \"tls/fullchain.pem\"", "tls_cert = \"chain.pem\""),
        ("#tls_key = \"tls/key.pem\"", "tls_key = \"key.pem\""),
        ("#tls_listen = [\"0.0.0.0:465\"]", "tls_listen = [\"127.0.0.1:0\"]"),
        ("[lmtp]\n#listen", "[lmtp]\nlisten"),
    ];
    let Some(scene) = Scene::beside_sink(&changes, &[("chain.pem", &chain), ("key.pem", &key)]) else {
        return;
    };
    let (rita, bob) = (&scene.people.rita, &scene.people.bob);
    let address = scene.daemon.smtp();
    let (port, socket) = (address.port().to_string(), scene.daemon.lmtp());
    let authority = scene.install.file("authority.pem", chain.as_bytes());
    let authority = authority.to_str().unwrap();
    let tcp = ["--server", "127.0.0.1", "--port", &port];
    let modes: [(&str, Vec<&str>); 6] = [
        ("ESMTP", [&tcp[..], &["--ehlo", "client.example"]].concat()),
        ("pipelined", [&tcp[..], &["--pipeline"]].concat()),
        ("HELO", [&tcp[..], &["--protocol", "SMTP"]].concat()),
        ("STARTTLS", [&tcp[..], &["--tls", "--tls-verify", "--tls-ca-path", authority]].concat()),
        ("STARTTLS, pipelined", [&tcp[..], &["--tls", "--pipeline"]].concat()),
        ("LMTP", vec!["--socket", socket.to_str().unwrap(), "--protocol", "LMTP"]),
    ];
    for (number, (mode, args)) in modes.iter().enumerate() {
        let written = entity(&rita.address, mode, "By swaks.\n.\n..\nThe end.");
        let file = scene.install.file("mail", &scene.report(rita, &written));
        let data = format!("@{}", file.to_str().unwrap());
        let common = ["--from", &rita.address, "--to", SECURITY, "--data", &data];
        let said = swaks(&[&args[..], &common].concat());
        assert_eq!(said.contains("TLS started"), mode.contains("TLS"), "{mode}: {said}");
        let copies = scene.sink.wait_for(&bob.address, number + 1);
        assert!(bob.open(&copies[number].data, &scene.security).holds(&written), "{mode}");
    }

    // A mail that swaks writes, in the clear, with an attachment; a list that takes none says so at the end of DATA.
    let file = scene.install.file("trace.bin", b"\x00\x01\xfftrace");
    let attach = format!("@{}", file.to_str().unwrap());
    let clear =
        ["--from", &rita.address, "--header", "Subject: By swaks", "--body", "Hi", "--attach", &attach];
    swaks(&[&tcp[..], &["--to", SECURITY], &clear].concat());
    let copies = scene.sink.wait_for(&bob.address, modes.len() + 1);
    let opened = bob.open(&copies[modes.len()].data, &scene.security);
    assert!(
        opened.holds(b"AAH/dHJhY2U=") && opened.note().contains("came in the clear"),
        "{}",
        opened.note()
    );
    let refused = Command::new("swaks")
        .args([&tcp[..], &["--to", "distrib-announce@lists.example"], &clear].concat())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(!refused.status.success() && said.contains("550 5.7.1"), "{said}");
}

/// A connection on which the test decides what travels together.
fn connected(address: SocketAddr) -> (TcpStream, BufReader<TcpStream>) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let input = BufReader::new(stream.try_clone().unwrap());
    (stream, input)
}

fn codes(input: &mut impl BufRead, wanted: &[&str]) {
    for code in wanted {
        let mut line = String::new();
        while line.as_bytes().get(3) != Some(&b' ') {
            line.clear();
            assert!(input.read_line(&mut line).unwrap() > 0, "the connection ended where {code} was due");
        }
        assert!(line.starts_with(code), "{line:?} and not {code}");
    }
}

#[test]
fn programs_with_manners_of_their_own_are_served() {
    let Some(scene) = Scene::set() else { return };
    let (rita, bob, address) = (&scene.people.rita, &scene.people.bob, scene.daemon.smtp());
    let mail = |subject: &str| {
        let written = entity(&rita.address, subject, ".\n..\nDots.");
        (dotted(&scene.report(rita, &written)), written)
    };
    let mut all = Vec::new();
    let commands = format!("mail from:<{}>\r\nrcpt to:<{SECURITY}>\r\ndata\r\n", rita.address);

    // One octet at a time, in lower case.
    let (data, written) = mail("By octets");
    let (mut output, mut input) = connected(address);
    codes(&mut input, &["220"]);
    for octet in format!("ehlo client.example\r\n{commands}").bytes() {
        output.write_all(&[octet]).unwrap();
    }
    codes(&mut input, &["250", "250", "250", "354"]);
    data.iter().for_each(|octet| output.write_all(&[*octet]).unwrap());
    codes(&mut input, &["250"]);
    all.push(written);
    // It leaves without QUIT: what was answered with 250 is ours all the same.
    drop((output, input));

    // The end of DATA in every possible pair of segments, twelve mails on one connection, RSET before each.
    let (mut output, mut input) = connected(address);
    codes(&mut input, &["220"]);
    output.write_all(b"EHLO client.example\r\n").unwrap();
    codes(&mut input, &["250"]);
    for cut in 0..12 {
        let (data, written) = mail(&format!("Cut {cut} octets before its end"));
        output.write_all(b"RSET\r\nRSET\r\nNOOP\r\n").unwrap();
        output.write_all(commands.as_bytes()).unwrap();
        codes(&mut input, &["250", "250", "250", "250", "250", "354"]);
        let (first, second) = data.split_at(data.len() - cut);
        output.write_all(first).unwrap();
        output.write_all(second).unwrap();
        // The next command is already there when the mail ends.
        output.write_all(b"NOOP\r\n").unwrap();
        codes(&mut input, &["250", "250"]);
        all.push(written);
    }

    // All that is left to say at once, and then nobody speaks on that side any more.
    let (data, written) = mail("Half closed");
    output.write_all(commands.as_bytes()).unwrap();
    codes(&mut input, &["250", "250", "354"]);
    output.write_all(&[&data[..], b"QUIT\r\n"].concat()).unwrap();
    output.shutdown(Shutdown::Write).unwrap();
    codes(&mut input, &["250", "221"]);
    assert_eq!(input.read_to_end(&mut Vec::new()).unwrap(), 0);
    all.push(written);

    // Hangs up before the last dot: nothing was taken.
    let (data, lost) = mail("Cut off");
    let mut client = Client::tcp(address).ehlo();
    for line in [format!("MAIL FROM:<{}>", rita.address), format!("RCPT TO:<{SECURITY}>"), "DATA".to_owned()]
    {
        assert!(client.command(&line).code < 400, "{line}");
    }
    client.say(&data[..data.len() - 3]);
    drop(client);

    // Fifty mails in a row, each waiting for its answer.
    let mut client = Client::tcp(address).ehlo();
    for number in 0..50 {
        let written = entity(&rita.address, &format!("Number {number}"), "One of many.");
        let reply = client.mail(&rita.address, &[SECURITY], &scene.report(rita, &written));
        assert_eq!(reply.code, 250, "{number}: {reply:?}");
        all.push(written);
    }
    client.quit();

    let copies = scene.sink.wait_for(&bob.address, all.len());
    let opened: Vec<_> = copies.iter().map(|copy| bob.open(&copy.data, &scene.security)).collect();
    for written in &all {
        assert_eq!(opened.iter().filter(|copy| copy.holds(written)).count(), 1, "each once");
    }
    assert!(!opened.iter().any(|copy| copy.holds(&lost)));
}
