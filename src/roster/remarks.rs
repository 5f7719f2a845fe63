//! What whoever decides about an application should see: who speaks for it, and what of it is like somebody else's. Nothing of it
//! decides; people do. Pure.

use std::collections::BTreeSet;

use crate::id::{MemberId, OrgName};
use crate::mail::address::Domain;
use crate::policy::Membership;
use crate::roster::Roster;
use crate::roster::application::{Application, Voucher};
use crate::roster::membership::{Member, Standing};
use crate::roster::org::Org;
use crate::roster::role_address;

/// What an application is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// Who belongs where.
    pub roster: &'a Roster,
    /// The rules of the list that it is to.
    pub rules: &'a Membership,
    /// All applications that are kept, itself among them.
    pub all: &'a [Application],
}

/// So many remarks are read.
const MOST: usize = 20;

/// A sentence each: who vouched, and for which organisation; with what is alike between the two.
#[must_use]
pub fn of_vouchers(application: &Application, beside: Beside<'_>) -> Vec<String> {
    application.vouchers.iter().flat_map(|voucher| of_voucher(application, voucher, beside)).collect()
}

fn of_voucher(application: &Application, voucher: &Voucher, beside: Beside<'_>) -> Vec<String> {
    let (form, roster) = (&application.form, beside.roster);
    let member = roster.by_id(&application.list, &voucher.by);
    let (id, address) = (&voucher.by, member.map(|m| m.address.to_string()).unwrap_or_default());
    let how = if voucher.statement.is_some() { "by a signed statement" } else { "by signed mail" };
    let Some(name) = &voucher.org else {
        return vec![format!("Vouched for by {id}, {address}, {how}.")];
    };
    let org = roster.org(name);
    let title = org.map_or(name.as_str(), |org| &org.title);
    let mut said = vec![format!("Vouched for by {address} ({id}) of {title} ({name}), {how}.")];
    let alike = |what: &str| format!("The applicant and {name}, who vouches, have {what}.");
    let domain = form.address.domain();
    if let Some(shared) = member.and_then(|m| related(m.address.domain(), domain)) {
        said.push(alike(&format!("one mail domain, {shared}")));
    }
    let website = org.and_then(|org| org.website.as_deref());
    if let Some(shared) = website.and_then(|website| shared_host(website, &form.website)) {
        said.push(alike(&format!("one website host, {shared}")));
    }
    if names(&form.upstream, name, org) {
        said.push(format!("The upstream that the applicant names is {name}, who vouches."));
    }
    let theirs = org.and_then(|org| org.upstream.as_deref());
    if theirs.is_some_and(|theirs| same(theirs, form.org.as_str()) || same(theirs, &form.title)) {
        said.push(format!("{name}, who vouches, names the applicant as its upstream."));
    }
    said
}

/// A sentence each: what of an application is like somebody else's, or was here before.
#[must_use]
pub fn of_applicant(application: &Application, beside: Beside<'_>) -> Vec<String> {
    let form = &application.form;
    let mut said = Vec::new();
    said.extend(of_organisation(application, beside.roster));
    if let Some(flag) = role_address::flag(&form.address, beside.rules) {
        said.push(format!("The contact is {flag}."));
    }
    let others = beside.roster.orgs().filter(|(name, _)| **name != form.org);
    for (name, org) in others {
        if names(&form.upstream, name, Some(org)) {
            said.push(format!("The upstream that it names is on the roster: is it downstream of {name}?"));
        }
        if same(&org.title, &form.title) || same(name.as_str(), &form.title) {
            said.push(format!("It has the name of the organisation {name}, and is none of its contacts."));
        }
        let website = org.website.as_deref();
        if let Some(host) = website.and_then(|website| shared_host(website, &form.website)) {
            said.push(format!("Its website is at the host of {name}: {host}."));
        }
    }
    said.extend(domains(application, beside));
    said.extend(of_other_applications(application, beside.all));
    said.extend(of_the_removed(application, beside.roster));
    said.truncate(MOST);
    said
}

/// Who names an organisation that is here wants to be one of its contacts.
fn of_organisation(application: &Application, roster: &Roster) -> Option<String> {
    let name = &application.form.org;
    let org = roster.org(name)?;
    Some(if org.since > application.opened {
        format!(
            "The organisation {name} came onto the roster after this application: see that it is the same. Whoever is \
             admitted becomes one of its contacts."
        )
    } else {
        format!(
            "The organisation is on the roster already: {} ({name}). Whoever is admitted becomes one of its contacts; \
             those it has are told.",
            org.title
        )
    })
}

/// Members of other organisations at the domain of the contact.
fn domains(application: &Application, beside: Beside<'_>) -> Option<String> {
    let form = &application.form;
    let domain = form.address.domain();
    let free = |free: &str| free.eq_ignore_ascii_case(domain.as_str());
    if beside.rules.freemail_domains.iter().any(|known| free(known.as_str())) {
        return None;
    }
    let others = beside.roster.everyone().map(|(_, m)| m).filter(|m| m.belongs());
    let others = others.filter(|m| m.org() != Some(&form.org) && m.id != application.member);
    let there: BTreeSet<&str> =
        others.filter(|m| related(m.address.domain(), domain).is_some()).map(Member::display_name).collect();
    let there: Vec<&str> = there.into_iter().collect();
    (!there.is_empty()).then(|| format!("The contact's mail domain is also that of {}.", there.join(", ")))
}

fn of_other_applications(application: &Application, all: &[Application]) -> Vec<String> {
    let form = &application.form;
    let alike = |it: &&Application| {
        let other = &it.form;
        let open = it.stage.is_open();
        it.id != application.id
            && (it.fingerprint == application.fingerprint
                || other.org == form.org
                || other.address.same_mailbox(&form.address)
                || (open && same(&other.title, &form.title))
                || (open && shared_host(&other.website, &form.website).is_some()))
    };
    let said = |it: &Application| {
        format!(
            "Application {} to {}, of the same organisation, name, website, address or key, is {}.",
            it.id, it.list, it.stage
        )
    };
    all.iter().filter(alike).map(said).collect()
}

fn of_the_removed(application: &Application, roster: &Roster) -> Vec<String> {
    let form = &application.form;
    let removed = || roster.everyone().filter(|(_, m)| m.standing == Standing::Removed);
    let mut said = Vec::new();
    let mut told = |what: &str, theirs: &dyn Fn(&Member) -> bool| {
        if let Some((list, member)) = removed().find(|(_, m)| theirs(m)) {
            said.push(format!("{what} was a member's of {list} who was removed on {}.", member.since.day()));
        }
    };
    told("The certificate", &|m| m.signs_with(application.fingerprint));
    told("The address", &|m| m.is_called(&form.address));
    let stays = roster.everyone().any(|(_, m)| m.belongs() && m.contact_of() == Some(&form.org));
    if !stays {
        told("The organisation", &|m| m.contact_of() == Some(&form.org));
    }
    said
}

/// Whether a text names an organisation, by its short name or its title.
fn names(text: &str, name: &OrgName, org: Option<&Org>) -> bool {
    same(text, name.as_str()) || org.is_some_and(|org| same(text, &org.title))
}

/// Whether two names are one to whoever reads them: case, gaps and marks that are not seen make no difference.
fn same(one: &str, other: &str) -> bool {
    let bare = |text: &str| -> String {
        text.chars().flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
    };
    let one = bare(one);
    !one.is_empty() && one == bare(other)
}

/// The one of two domains that both are, or that one is below.
fn related<'d>(one: &'d Domain, other: &'d Domain) -> Option<&'d str> {
    let (one, other) = (one.as_str(), other.as_str());
    let below = |of: &str, at: &str| of == at || of.strip_suffix(at).is_some_and(|left| left.ends_with('.'));
    if below(one, other) { Some(other) } else { below(other, one).then_some(one) }
}

/// The host that two websites share.
fn shared_host(one: &str, other: &str) -> Option<String> {
    let one = host(one)?;
    (host(other)? == one).then_some(one)
}

/// The host of the first address of a page in a text, without `www`.
fn host(text: &str) -> Option<String> {
    let word = text.split_whitespace().find(|word| word.contains('.'))?;
    let rest = word.split_once("://").map_or(word, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    // RFC 3986 §3.2: who logs in stands before, the port behind.
    let host =
        authority.rsplit('@').next()?.split(':').next()?.trim_matches(['.', ',', ';', '<', '>', '(', ')']);
    // As domains of addresses are compared, in ASCII.
    let domain = host.parse::<Domain>().ok()?;
    let host = domain.as_str();
    Some(host.strip_prefix("www.").unwrap_or(host).to_owned())
}

/// How many organisations speak: the people of one count once, and who stands for none counts alone.
#[must_use]
pub fn voices<'a>(speak: impl Iterator<Item = (&'a MemberId, Option<&'a OrgName>)>) -> usize {
    let voice = |(by, org): (&'a MemberId, Option<&'a OrgName>)| match org {
        Some(org) => (Some(org), None),
        None => (None, Some(by)),
    };
    speak.map(voice).collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests;
