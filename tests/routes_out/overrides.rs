//! Other ways for some domains, and that none of them borrows the trust of another.

use crate::host::{Host, Tls};
use crate::outside::authority::Authority;
use crate::outside::sink::Sink;
use crate::stage::{Stage, can_listen, why};

#[test]
fn each_domain_goes_its_own_way() {
    if !can_listen() {
        return;
    }
    let sink = Sink::start();
    let partners = Authority::new("Of partners");
    let authority = Authority::new("The stage");
    let server = |signer: &Authority, name: &str| signer.signs(name).server(None);
    let partner = Host::start("127.1.4.1:465", Tls::Implicit(server(&partners, "in.partner.example")));
    let direct = Host::start("127.1.4.2:25", Tls::Starttls(server(&authority, "mx.direct.example")));
    let tables = "[egress.domain.\"partner.example\"]\nsmarthost = \"127.1.4.1:465\"\ntls = \"implicit\"\n\
        ca_file = \"partners.pem\"\nserver_name = \"in.partner.example\"\n\
        [egress.domain.\".partner.example\"]\nsmarthost = \"127.1.4.1:465\"\ntls = \"implicit\"\n\
        ca_file = \"ca.pem\"\nserver_name = \"in.partner.example\"\n\
        [egress.domain.\"direct.example\"]\nca_file = \"ca.pem\"\n";
    let egress = format!("smarthost = \"{}\"\ntls = \"none\"", sink.smarthost());
    let stage = Stage::with(authority, &egress, tables, &[("partners.pem", &partners.pem)]);
    stage.mail_domain("direct.example", "127.1.4.2");
    for domain in ["partner.example", "unit.partner.example", "direct.example", "team.example"] {
        stage.reader(&format!("reader@{domain}"));
    }
    stage.report("Four ways");
    assert_eq!(partner.wait(1)[0].0, "reader@partner.example");
    assert_eq!(direct.wait(1)[0].0, "reader@direct.example");
    assert_eq!(sink.wait_for_all(1)[0].recipient, "reader@team.example");
    // The same host, to be proven to another authority: the connection that stands is not borrowed.
    let shown = why(&stage.deferred(1), "reader@unit.partner.example");
    assert!(shown.contains("authority that is not trusted"), "{shown}");
    stage.report("Again");
    assert_eq!(partner.wait(2)[1].0, "reader@partner.example");
    stage.waiting(2);
    assert_eq!((partner.mails().len(), sink.wait_for_all(2).len()), (2, 2));
    assert!(!String::from_utf8_lossy(&sink.wire()).contains("partner.example"));
}
