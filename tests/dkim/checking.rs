//! `check --dns` beside a name service that is right, wrong, silent or not there.

use serde_json::Value;

use crate::outside::dns::{Data, Dns};
use crate::outside::install::{DOMAIN, Install};
use crate::verify::publish;

struct Stage {
    install: Install,
    dns: Dns,
    /// The names of the records of the keys.
    selectors: Vec<String>,
}

impl Stage {
    /// A domain whose records are as they should be.
    fn set() -> Self {
        let dns = Dns::start();
        let resolver = format!("resolver = \"{}\"", dns.address());
        let install = Install::edited("127.0.0.1:9", &[("#resolver = \"127.0.0.1:53\"", &resolver)]);
        publish(&install, &dns);
        dns.set(
            DOMAIN,
            vec![Data::Txt("v=spf1 mx -all".to_owned()), Data::Mx(10, "mail.lists.example".to_owned())],
        );
        dns.set("mail.lists.example", vec![Data::A([192, 0, 2, 1].into())]);
        dns.txt("_dmarc.lists.example", "v=DMARC1; p=reject; adkim=s");
        let shown = install.json(&["key", "dkim"]);
        let records = shown[0]["pairs"][0]["records"].as_array().unwrap().clone();
        let selectors = records.iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect();
        Self { install, dns, selectors }
    }

    /// What is said of DNS: severity, where, what and remedy.
    fn findings(&self) -> Vec<(String, String, String)> {
        let report = self.install.json(&["check", "--dns"]);
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let all = report["findings"].as_array().unwrap().iter();
        let of_dns = all.filter(|finding| finding["where"].as_str().unwrap().starts_with("DNS"));
        of_dns
            .map(|f| {
                (text(f, "severity"), format!("{}: {}", text(f, "where"), text(f, "what")), text(f, "remedy"))
            })
            .collect()
    }

    /// The one finding that there is.
    #[track_caller]
    fn one(&self, severity: &str, what: &str, remedy: &str) {
        let found = self.findings();
        assert_eq!(found.len(), 1, "{found:#?}");
        let (its, said, remedies) = &found[0];
        assert!(its == severity && said.contains(what) && remedies.contains(remedy), "{found:#?}");
    }
}

#[test]
fn what_is_right_is_not_spoken_of() {
    let stage = Stage::set();
    assert_eq!(stage.findings(), []);
    // The same in other words is as right.
    let rsa = &stage.selectors[1];
    let shown = stage.install.json(&["key", "dkim"]);
    let value =
        shown[0]["pairs"][0]["records"][1]["value"].as_str().unwrap().replace("h=sha256; k=rsa; ", "n=ours;");
    stage.dns.txt(rsa, &format!("{value};"));
    assert_eq!(stage.findings(), []);
}

#[test]
fn without_dns_nothing_is_looked_up() {
    let stage = Stage::set();
    stage.dns.remove(&stage.selectors[0]);
    let report = stage.install.json(&["check"]);
    assert!(!report.to_string().contains("DNS"), "{report:#}");
}

#[test]
fn a_record_of_a_key_that_is_missing_wrong_or_revoked_is_named_with_the_right_one() {
    let stage = Stage::set();
    let [ed25519, rsa] = stage.selectors.clone().try_into().unwrap();
    let right = stage.install.ok(&["key", "dkim"]);
    let line = |name: &str| right.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let put = |name: &str, text: &str| stage.dns.txt(name, text);

    stage.dns.remove(&rsa);
    stage.one("warning", "there is no such record", &line(&rsa));
    put(&rsa, "v=DKIM1; k=rsa; p=");
    stage.one("warning", "revoked", &line(&rsa));
    put(&rsa, "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A");
    stage.one("warning", "has another key", &line(&rsa));
    put(&rsa, "v=spf1 -all");
    stage.one("warning", "v=DKIM1", &line(&rsa));
    publish(&stage.install, &stage.dns);
    stage.dns.add(&ed25519, Data::Txt("v=DKIM1; k=ed25519; p=".to_owned()));
    stage.one("warning", "there are 2 records of this name", &line(&ed25519));
    publish(&stage.install, &stage.dns);
    assert_eq!(stage.findings(), []);
}

#[test]
fn new_keys_are_spoken_of_until_they_sign() {
    let stage = Stage::set();
    let shown = stage.install.json(&["key", "dkim", "--rotate"]);
    let new = shown[0]["pairs"][1]["name"].as_str().unwrap();
    let found = stage.findings();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found.iter().all(|(severity, what, _)| severity == "note" && what.contains(new)), "{found:#?}");
    publish(&stage.install, &stage.dns);
    stage.one("note", "do not sign yet", "key dkim --activate lists.example");
    stage.install.ok(&["key", "dkim", "--activate"]);
    assert_eq!(stage.findings(), []);
}

#[test]
fn dmarc_spf_and_mx_are_compared_with_what_lists_need() {
    let stage = Stage::set();
    let dmarc = "_dmarc.lists.example";
    stage.dns.remove(dmarc);
    stage.one(
        "warning",
        "there is no DMARC record",
        "_dmarc.lists.example. IN TXT \"v=DMARC1; p=none; adkim=s; aspf=s\"",
    );
    stage.dns.txt(dmarc, "v=DMARC1; p=none; rua=mailto:d@lists.example");
    stage.one("note", "p=none", "\"v=DMARC1; p=reject; rua=mailto:d@lists.example\"");
    stage.dns.txt(dmarc, "v=DMARC1; rua=mailto:d@lists.example");
    stage.one("warning", "has no p=", "IN TXT");
    stage.dns.set(dmarc, vec![Data::Txt("v=DMARC1; p=reject".to_owned()); 2]);
    stage.one("warning", "several DMARC records", "IN TXT");
    stage.dns.txt(dmarc, "v=DMARC1; p=reject");

    let mx = || Data::Mx(10, "mail.lists.example".to_owned());
    let spf = || Data::Txt("v=spf1 mx -all".to_owned());
    stage.dns.set(DOMAIN, vec![mx()]);
    stage.one("note", "there is no SPF record", "lists.example. IN TXT \"v=spf1 mx -all\"");
    stage.dns.set(DOMAIN, vec![mx(), spf(), spf()]);
    stage.one("warning", "several SPF records", "IN TXT");
    stage.dns.set(DOMAIN, vec![spf()]);
    stage.one("warning", "neither MX nor address", "lists.example. IN MX 10 ");
    stage.dns.set(DOMAIN, vec![spf(), Data::A([192, 0, 2, 1].into())]);
    stage.one("note", "it has no MX", "IN MX");
    stage.dns.set(DOMAIN, vec![spf(), Data::Mx(0, ".".to_owned())]);
    stage.one("warning", "takes no mail", "IN MX");
    stage.dns.set(DOMAIN, vec![spf(), mx(), Data::Mx(20, "gone.lists.example".to_owned())]);
    stage.one("warning", "its mail exchanger gone.lists.example has no address", "A or AAAA");
}

#[test]
fn a_name_service_that_fails_is_a_finding() {
    let stage = Stage::set();
    stage.dns.fail(&stage.selectors[0], 2);
    stage.one("warning", "cannot be looked up", "resolver");
    publish(&stage.install, &stage.dns);
    stage.dns.hush("_dmarc.lists.example");
    let begun = std::time::Instant::now();
    stage.one("warning", "_dmarc.lists.example cannot be looked up (timeout)", "resolver");
    assert!(begun.elapsed().as_secs() < 25, "it waits once: {:?}", begun.elapsed());

    // Nobody listens there.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stage.install.edit(&stage.dns.address().to_string(), &silent.to_string());
    stage.one("warning", "cannot be looked up", "resolver");
    let printed = stage.install.run(&["check", "--dns"]);
    assert_eq!(printed.code, 0, "the settings are right: {printed:?}");
}

#[test]
fn a_policy_from_above_is_read_as_receivers_read_it() {
    let dns = Dns::start();
    let domain = "lists.team.corp.example";
    let install = Install::elsewhere(domain, "127.0.0.1:9");
    install.edit("#resolver = \"127.0.0.1:53\"", &format!("resolver = \"{}\"", dns.address()));
    publish(&install, &dns);
    let spf = Data::Txt("v=spf1 mx -all".to_owned());
    dns.set(domain, vec![spf, Data::Mx(10, format!("mail.{domain}"))]);
    dns.set(&format!("mail.{domain}"), vec![Data::A([192, 0, 2, 1].into())]);
    let stage = Stage { install, dns, selectors: Vec::new() };
    let above = "_dmarc.corp.example";
    stage.one("warning", "there is no DMARC record: anybody", "_dmarc.lists.team.corp.example. IN TXT");
    for right in ["v=DMARC1; p=reject", "v=DMARC1; p=none; sp=quarantine"] {
        stage.dns.txt(above, right);
        assert_eq!(stage.findings(), [], "{right}");
    }
    // The one in between is asked by nobody.
    stage.dns.txt("_dmarc.team.corp.example", "v=DMARC1; p=reject");
    for weak in ["v=DMARC1; p=reject; sp=none", "v=DMARC1; p=none"] {
        stage.dns.txt(above, weak);
        let own = "_dmarc.lists.team.corp.example. IN TXT \"v=DMARC1; p=reject; adkim=s; aspf=s\"";
        stage.one("note", "that of corp.example asks receivers to let mail of domains below it through", own);
    }
    stage.dns.txt(above, "v=DMARC1; rua=mailto:d@corp.example");
    stage.one("warning", "that of corp.example does not count", "IN TXT");
    // Its own comes first, and its sp= is for others.
    stage.dns.txt("_dmarc.lists.team.corp.example", "v=DMARC1; p=reject; sp=none");
    assert_eq!(stage.findings(), []);
    stage.dns.txt("_dmarc.lists.team.corp.example", "v=DMARC1; sp=none; p=none");
    stage.one("note", "p=none", "\"v=DMARC1; sp=none; p=reject\"");
}
