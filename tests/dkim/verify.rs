//! Two verifiers that ask a name service for the keys: mail-auth, and dkimpy from Debian.

use std::io::Write;
use std::process::{Command, Stdio};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator};

use crate::outside::dns::Dns;
use crate::outside::install::Install;

/// What a verifier says of each signature, in the mail's order: the selector, and whether it holds.
pub(crate) type Verdicts = Vec<(String, bool)>;

/// Publishes what `key dkim` prints.
pub(crate) fn publish(install: &Install, dns: &Dns) {
    for domain in install.json(&["key", "dkim"]).as_array().unwrap() {
        for pair in domain["pairs"].as_array().unwrap() {
            for record in pair["records"].as_array().unwrap() {
                dns.txt(record["name"].as_str().unwrap(), record["value"].as_str().unwrap());
            }
        }
    }
}

/// Whether both signatures of this mail hold, by both verifiers.
pub(crate) fn holds(mail: &[u8], dns: &Dns) -> bool {
    let found = [by_mail_auth(mail, dns), by_dkimpy(mail, dns)];
    for verdicts in &found {
        assert_eq!(verdicts.len(), 2, "{verdicts:?}");
        assert!(verdicts[0].0.ends_with("-ed25519") && verdicts[1].0.ends_with("-rsa"), "{verdicts:?}");
    }
    let all = |verdicts: &Verdicts| verdicts.iter().all(|(_, pass)| *pass);
    let none = |verdicts: &Verdicts| verdicts.iter().all(|(_, pass)| !*pass);
    match (found.iter().all(all), found.iter().all(none)) {
        (true, false) => true,
        (false, true) => false,
        _ => panic!("they do not agree: {found:?}"),
    }
}

pub(crate) fn by_mail_auth(mail: &[u8], dns: &Dns) -> Verdicts {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = dns.address().port();
        connection
    };
    let connections = vec![at_port(ConnectionConfig::udp()), at_port(ConnectionConfig::tcp())];
    let servers = vec![NameServerConfig::new(dns.address().ip(), true, connections)];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let authenticator = MessageAuthenticator::new(config, ResolverOpts::default()).unwrap();
        let mail = AuthenticatedMessage::parse(mail).unwrap();
        let verified = authenticator.verify_dkim(&mail).await;
        verified
            .iter()
            .map(|one| (one.signature().unwrap().s.clone(), *one.result() == DkimResult::Pass))
            .collect()
    })
}

/// dkimpy is Debian's python3-dkim, and does Ed25519 by python3-nacl.
const DKIMPY: &str = r#"
import re, sys, dkim, dns.resolver, nacl
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], int(sys.argv[1])
def txt(name, timeout=5):
    try:
        answer = resolver.resolve(name.decode() if isinstance(name, bytes) else name, "TXT", raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return None
    return b"".join(answer[0].strings) if answer.rrset else None
mail = sys.stdin.buffer.read()
head = mail.split(b"\r\n\r\n", 1)[0]
count = len(re.findall(rb"(?im)^dkim-signature[ \t]*:", head))
for index in range(count):
    one = dkim.DKIM(mail, minkey=2048)
    try:
        good = one.verify(idx=index, dnsfunc=txt)
    except dkim.DKIMException as why:
        print(why, file=sys.stderr)
        good = False
    print(one.signature_fields[b"s"].decode(), good)
"#;

/// Whether dkimpy is there; elsewhere than in continuous integration a test may do without.
pub(crate) fn has_dkimpy() -> bool {
    let found = python().args(["-c", "import dkim, dns.resolver, nacl"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        crate::outside::skip("python3-dkim with python3-nacl and python3-dnspython");
    }
    found
}

pub(crate) fn by_dkimpy(mail: &[u8], dns: &Dns) -> Verdicts {
    if !has_dkimpy() {
        return by_mail_auth(mail, dns);
    }
    let mut child = python()
        .args(["-c", DKIMPY, &dns.address().port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(mail).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let verdict = |line: &str| {
        let (selector, good) = line.rsplit_once(' ').unwrap();
        (selector.to_owned(), good == "True")
    };
    said.lines().map(verdict).collect()
}

/// Debian's own, whatever else is called python3.
fn python() -> Command {
    Command::new("/usr/bin/python3")
}
