//! The lists' addresses as a table for the mail server in front: Postfix's regexp_table(5).

use std::fmt::Write as _;

use crate::config::{Config, List};
use crate::ingress::settings::ListenAddr;
use crate::mail::address::Domain;
use crate::mail::directory::Kind;

/// The return path of a copy: `-bounces+` and a token of 26 base32 characters.
const RETURN_PATH: &str = r"-bounces\+[a-z2-7]{26}";

/// What leads to each address that the relay takes mail for. It serves Postfix as `transport_maps` and as
/// `relay_recipient_maps`; `None` when the relay listens nowhere.
#[must_use]
pub fn postfix(config: &Config) -> Option<String> {
    let next_hop = next_hop(config)?;
    let mut table = String::from(
        "# The lists' addresses and the way to them, a regexp table (regexp_table(5)), made by `vouchsafe routes`:\n\
         # make it anew when a list is added. It serves as transport_maps and as relay_recipient_maps.\n",
    );
    let takes: Vec<&List> = config.lists.iter().filter(|list| list.kind.takes_mail()).collect();
    let mut domains: Vec<&Domain> = Vec::new();
    for list in &takes {
        if !domains.contains(&list.address.domain()) {
            domains.push(list.address.domain());
        }
        let reporter = if list.kind == Kind::Intake { "|-reporter" } else { "" };
        let local = literal(list.address.local());
        let domain = literal(&list.address.domain().to_string());
        // Writing to a String cannot fail.
        let _ = writeln!(table, "/^{local}(-request|-owner{reporter}|{RETURN_PATH})?@{domain}$/  {next_hop}");
    }
    for domain in domains {
        // RFC 5321 §4.5.1: every domain has a postmaster.
        let _ = writeln!(table, "/^postmaster@{}$/  {next_hop}", literal(&domain.to_string()));
    }
    Some(table)
}

/// The relay as a Postfix transport: LMTP if it speaks that, else SMTP.
fn next_hop(config: &Config) -> Option<String> {
    let lmtp = config.lmtp.listen.first().map(|address| match address {
        // regexp_table(5): a "$" of its own is written twice.
        ListenAddr::Unix(path) => format!("vouchsafe:unix:{}", path.display()).replace('$', "$$"),
        ListenAddr::Tcp(address) => format!("vouchsafe:inet:{}", reachable(address)),
    });
    let smtp = || {
        config.smtp.listen.iter().find_map(|address| match address {
            ListenAddr::Unix(_) => None, // smtp(8) connects to no Unix socket
            ListenAddr::Tcp(address) => {
                let address = reachable(address);
                let (host, port) = address.rsplit_once(':')?;
                // The brackets keep Postfix from asking for an MX.
                Some(format!("smtp:[{}]:{port}", host.trim_matches(['[', ']'])))
            }
        })
    };
    lmtp.or_else(smtp)
}

/// What listens on every address is reached on this machine's own.
fn reachable(address: &str) -> String {
    address.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
}

/// The text as a regular expression for itself.
fn literal(text: &str) -> String {
    text.chars().flat_map(|c| r".+*?^$|()[]{}\/".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_an_expression_stands_for_itself() {
        assert_eq!(literal("a.b+c"), r"a\.b\+c");
        assert_eq!(literal("security-team"), "security-team");
    }
}
