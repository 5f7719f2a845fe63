//! What DNS says of the lists' domains, beside what it should say: signatures, their policy, and the way in.

use super::report::Report;
use crate::config::Config;
use crate::dkim::{Pair, Record, tags, zone_line};
use crate::egress::lookup::{Lookup, NoAnswer};
use crate::mail::address::Domain;
use crate::pgp::keyring::KeyDir;

/// What ends one look: findings stand in the report.
type Looked = Result<(), NoAnswer>;

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

/// DMARC: the lists' mail comes from their own domain and is signed by it, so that a strict policy suits it.
fn policy(lookup: &Lookup, _: &Config, domain: &Domain, report: &mut Report) -> Looked {
    let domain = domain.as_str();
    let name = format!("_dmarc.{domain}");
    let right = zone_line(&name, "v=DMARC1; p=none; adkim=s; aspf=s");
    let advice = format!(
        "{}; later p=quarantine, then p=reject, which keeps others from sending in the lists' name",
        publish(&right)
    );
    let found: Vec<String> = dmarc(lookup, &name)?;
    let what = match found.as_slice() {
        [] if inherited(lookup, domain)? => return Ok(()),
        [] => {
            report.warn(
                place(&name),
                "there is no DMARC record: anybody can send in the lists' name",
                advice,
            );
            return Ok(());
        }
        [one] => match requested(one).as_deref() {
            Some("quarantine" | "reject") => return Ok(()),
            Some("none") => {
                let what = "p=none asks receivers to let mail through that nobody signed";
                let right = one.replacen("p=none", "p=reject", 1);
                report.note(place(&name), what, publish(&zone_line(&name, &right)));
                return Ok(());
            }
            // RFC 7489 §6.3: "p: … (plain-text; REQUIRED for policy records)".
            _ => {
                "the record has no p= that is none, quarantine or reject, so that it counts as p=none or not at all"
            }
        },
        // RFC 7489 §6.6.3: "If the remaining set contains multiple records … policy discovery terminates".
        _ => "there are several DMARC records, so that none of them counts",
    };
    report.warn(place(&name), what, advice);
    Ok(())
}

/// The records of a name that are meant for DMARC (RFC 7489 §6.6.3: others are left out).
fn dmarc(lookup: &Lookup, name: &str) -> Result<Vec<String>, NoAnswer> {
    Ok(lookup.txt(name)?.into_iter().filter(|text| text.trim_start().starts_with("v=DMARC1")).collect())
}

/// Whether a domain above has a policy, which counts then (RFC 7489 §6.6.3).
fn inherited(lookup: &Lookup, domain: &str) -> Result<bool, NoAnswer> {
    let mut above = domain;
    while let Some((_, rest)) = above.split_once('.').filter(|(_, rest)| rest.contains('.')) {
        above = rest;
        if !dmarc(lookup, &format!("_dmarc.{above}"))?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a DMARC record asks for.
fn requested(record: &str) -> Option<String> {
    tags(record)?.into_iter().find(|(name, _)| name == "p").map(|(_, value)| value.to_ascii_lowercase())
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
