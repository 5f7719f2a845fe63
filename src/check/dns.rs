//! What DNS says of the lists' domains, beside what it should say: signatures, their policy, and the way in.

use super::report::Report;
use crate::config::Config;
use crate::dkim::{Pair, Record, tags, zone_line};
use crate::egress::lookup::{Lookup, NoAnswer};
use crate::mail::address::Domain;
use crate::pgp::keyring::KeyDir;

/// What ends one look: findings stand in the report.
type Looked = Result<(), NoAnswer>;

/// What a domain's records ask receivers to do with mail that nobody signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    /// There is no record.
    Nothing,
    /// `quarantine` or `reject`.
    Strict,
    /// `none`: to let it through.
    Leniency,
    /// None of it counts, and why.
    Void(&'static str),
}

/// Whose policy is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// That of the domain that has the record.
    Itself,
    /// That of a domain below.
    Below,
}

/// Looks everything up. That DNS does not answer is a finding like others, and ends the looking where nobody answers at
/// all.
pub(super) fn dns(config: &Config, report: &mut Report) {
    let lookup = match Lookup::new(&config.dns) {
        Ok(lookup) => lookup,
        Err(why) => {
            let remedy = "set [dns] resolver to one that answers";
            return report.warn(config.source.place(&["dns", "resolver"]), why.to_string(), remedy);
        }
    };
    for domain in config.domains() {
        for look in [signatures, policy, sender, way_in] {
            let Err(no_answer) = look(&lookup, config, domain, report) else { continue };
            let remedy = "see whether the name service works, or set [dns] resolver to one that answers";
            report.warn(format!("DNS of {domain}"), no_answer.to_string(), remedy);
            if no_answer.silent {
                return;
            }
        }
    }
}

/// The records of the keys that sign, and of those that will.
fn signatures(lookup: &Lookup, config: &Config, domain: &Domain, report: &mut Report) -> Looked {
    // That keys cannot be read has been told without DNS; where nothing is signed none is missed.
    let pairs = KeyDir::new(&config.keys.path).dkim(domain.as_str()).unwrap_or_default();
    let signing = pairs.iter().skip_while(|pair| !pair.active || !config.egress.dkim);
    for pair in signing {
        let mut all = true;
        for record in &pair.records {
            let found = lookup.txt(&record.name())?;
            match problem(record, &found) {
                None => {}
                Some(what) if pair.active => {
                    all = false;
                    let what = format!("{what}: what {} signs cannot be verified", pair.name);
                    report.warn(place(&record.name()), what, publish(&record.zone_line()));
                }
                Some(what) => {
                    all = false;
                    report.note(place(&record.name()), what, publish(&record.zone_line()));
                }
            }
        }
        waiting(pair, domain, all, report);
    }
    Ok(())
}

/// What waits for DNS, and has it.
fn waiting(pair: &Pair, domain: &Domain, published: bool, report: &mut Report) {
    if published && !pair.active {
        let what = format!("the new keys {} are published, and do not sign yet", pair.name);
        let remedy = format!("run `vouchsafe key dkim --activate {domain}`, then `vouchsafe reload`");
        report.note(format!("DNS of {domain}"), what, remedy);
    }
}

/// RFC 6376 §3.6.2.2: "TXT RRs MUST be unique for a particular selector name".
fn problem(record: &Record, found: &[String]) -> Option<String> {
    match found {
        [] => Some("there is no such record".to_owned()),
        [one] => record.compare(one).err().map(|difference| format!("the record {difference}")),
        _ => Some(format!("there are {} records of this name, and verifiers may take either", found.len())),
    }
}

/// DMARC (RFC 7489): the lists' mail comes from their own domain and is signed by it, so that a strict policy suits it.
fn policy(lookup: &Lookup, _: &Config, domain: &Domain, report: &mut Report) -> Looked {
    let domain = domain.as_str();
    let name = format!("_dmarc.{domain}");
    let found = dmarc(lookup, &name)?;
    let advice = format!(
        "{}; later p=quarantine, then p=reject, which keeps others from sending in the lists' name",
        publish(&zone_line(&name, "v=DMARC1; p=none; adkim=s; aspf=s"))
    );
    match asked(&found, For::Itself) {
        Request::Strict => {}
        Request::Leniency => {
            let what = "p=none asks receivers to let mail through that nobody signed";
            let right = found.first().and_then(|record| with_reject(record)).unwrap_or_default();
            report.note(place(&name), what, publish(&zone_line(&name, &right)));
        }
        Request::Void(what) => report.warn(place(&name), what, advice),
        Request::Nothing => inherited(lookup, domain, &name, advice, report)?,
    }
    Ok(())
}

/// RFC 7489 §6.6.3: without a record of its own the organisational domain's counts, and none in between. Which domain
/// that is a list of public suffixes would say, and there is none here: the shortest one above is taken that has a record,
/// has two labels at least and does not say that it is a public suffix (`psd=y`).
fn inherited(lookup: &Lookup, domain: &str, name: &str, advice: String, report: &mut Report) -> Looked {
    let mut organisation = None;
    let mut above = domain;
    while let Some((_, rest)) = above.split_once('.').filter(|(_, rest)| rest.contains('.')) {
        above = rest;
        let found = dmarc(lookup, &format!("_dmarc.{above}"))?;
        if !found.is_empty() && !found.iter().any(|record| tag(record, "psd").is_some_and(|psd| psd == "y")) {
            organisation = Some((above, found));
        }
    }
    let Some((above, found)) = organisation else {
        let what = "there is no DMARC record: anybody can send in the lists' name";
        report.warn(place(name), what, advice);
        return Ok(());
    };
    match asked(&found, For::Below) {
        Request::Strict => {}
        Request::Nothing | Request::Void(_) => {
            let what = format!("there is no DMARC record, and that of {above} does not count");
            report.warn(place(name), what, advice);
        }
        Request::Leniency => {
            let what = format!(
                "there is no DMARC record, and that of {above} asks receivers to let mail of domains below it through \
                 that nobody signed"
            );
            let own = zone_line(name, "v=DMARC1; p=reject; adkim=s; aspf=s");
            report.note(place(name), what, publish(&own));
        }
    }
    Ok(())
}

/// The records of a name that are meant for DMARC (RFC 7489 §6.6.3: others are left out).
fn dmarc(lookup: &Lookup, name: &str) -> Result<Vec<String>, NoAnswer> {
    Ok(lookup.txt(name)?.into_iter().filter(|text| text.trim_start().starts_with("v=DMARC1")).collect())
}

/// What the records of one name ask for.
fn asked(records: &[String], whose: For) -> Request {
    let record = match records {
        [] => return Request::Nothing,
        [one] => one,
        // RFC 7489 §6.6.3: "If the remaining set contains multiple records … policy discovery terminates".
        _ => return Request::Void("there are several DMARC records, so that none of them counts"),
    };
    // RFC 7489 §6.3: "p: … (plain-text; REQUIRED for policy records)"; without sp= it is for the domains below as well.
    let own = tag(record, "p");
    let below = tag(record, "sp").filter(|_| whose == For::Below);
    let void = Request::Void(
        "the record has no p= that is none, quarantine or reject, so that it counts as p=none or not at all",
    );
    match (level(own.as_deref()), below) {
        (None, _) => void,
        (Some(own), None) => own,
        (Some(_), Some(below)) => level(Some(&below)).unwrap_or(void),
    }
}

fn level(policy: Option<&str>) -> Option<Request> {
    match policy? {
        "quarantine" | "reject" => Some(Request::Strict),
        "none" => Some(Request::Leniency),
        _ => None,
    }
}

/// What a tag of a record says, in small letters.
fn tag(record: &str, name: &str) -> Option<String> {
    tags(record)?.into_iter().find(|(tag, _)| tag == name).map(|(_, value)| value.to_ascii_lowercase())
}

/// The same record with `p=reject`.
fn with_reject(record: &str) -> Option<String> {
    let tags = tags(record)?.into_iter().map(|(name, value)| match name.as_str() {
        "p" => "p=reject".to_owned(),
        _ => format!("{name}={value}"),
    });
    Some(tags.collect::<Vec<_>>().join("; "))
}

/// SPF, of which nobody but the operator knows who may send.
fn sender(lookup: &Lookup, _: &Config, domain: &Domain, report: &mut Report) -> Looked {
    let domain = domain.as_str();
    let spf = |text: &String| text == "v=spf1" || text.starts_with("v=spf1 ");
    let found = lookup.txt(domain)?.into_iter().filter(spf).count();
    let right = format!(
        "where its mail exchangers deliver for it, {}; else name who does",
        publish(&zone_line(domain, "v=spf1 mx -all"))
    );
    match found {
        1 => {}
        0 => report.note(
            place(domain),
            "there is no SPF record, so that DKIM alone speaks for the lists' mail",
            right,
        ),
        // RFC 7208 §4.5: "If the resultant record set includes more than one record, check_host() produces the "permerror"".
        _ => report.warn(place(domain), "there are several SPF records, so that none of them counts", right),
    }
    Ok(())
}

/// Whether mail finds the way to the lists (RFC 5321 §5.1).
fn way_in(lookup: &Lookup, _: &Config, domain: &Domain, report: &mut Report) -> Looked {
    let domain = domain.as_str();
    let right =
        format!("publish: {domain}. IN MX 10 mail.{domain}. (with the name of the host that takes its mail)");
    let exchangers = lookup.mx(domain)?;
    if exchangers.is_empty() {
        if lookup.addresses(domain)?.is_empty() {
            report.warn(place(domain), "it has neither MX nor address: no mail can come to the lists", right);
        } else {
            report.note(place(domain), "it has no MX: mail goes to the host of that name", right);
        }
    } else if exchangers.iter().all(String::is_empty) {
        report.warn(
            place(domain),
            "its MX says that it takes no mail (RFC 7505): none can come to the lists",
            right,
        );
    }
    for host in exchangers.iter().filter(|host| !host.is_empty()) {
        if lookup.addresses(host)?.is_empty() {
            let what = format!("its mail exchanger {host} has no address");
            report.warn(
                place(domain),
                what,
                format!("publish an A or AAAA record of {host}, or take the MX away"),
            );
        }
    }
    Ok(())
}

fn place(name: &str) -> String {
    format!("DNS: {name}")
}

fn publish(zone_line: &str) -> String {
    format!("publish: {zone_line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_asks_for_is_read_from_its_tags() {
        let none = |record: &str| asked(&[record.to_owned()], For::Below) == Request::Leniency;
        let strict = |record: &str, whose| asked(&[record.to_owned()], whose) == Request::Strict;
        assert!(strict("v=DMARC1; p=reject; sp=none", For::Itself));
        assert!(none("v=DMARC1; p=reject; sp=none") && none("v=DMARC1;p = NONE"));
        assert!(strict("v=DMARC1; p=none; sp=quarantine", For::Below));
        assert!(strict("v=DMARC1; p=Reject", For::Below));
        for void in ["v=DMARC1; sp=reject", "v=DMARC1; p=reject; sp=some", "v=DMARC1; p"] {
            assert!(matches!(asked(&[void.to_owned()], For::Below), Request::Void(_)), "{void}");
        }
        assert_eq!(asked(&[], For::Itself), Request::Nothing);
    }

    #[test]
    fn advice_changes_one_tag_alone() {
        for (record, right) in [
            ("v=DMARC1; sp=none; p=none", "v=DMARC1; sp=none; p=reject"),
            (
                "v=DMARC1;p = None;rua=mailto:p=none@a.example;",
                "v=DMARC1; p=reject; rua=mailto:p=none@a.example",
            ),
        ] {
            assert_eq!(with_reject(record).as_deref(), Some(right));
        }
    }
}
