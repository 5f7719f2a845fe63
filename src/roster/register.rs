//! What is known of organisations, and what of it is fit for everybody.

use std::collections::BTreeMap;

use super::{Change, Refusal, Roster};
use crate::id::{ListName, OrgName};
use crate::roster::membership::Member;
use crate::roster::org::{MAX_TEXT, Org, OrgEdit};
use crate::time::Timestamp;

/// What anybody may know of an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered<'r> {
    /// Its full name.
    pub title: &'r str,
    /// Where it is to be found.
    pub website: Option<&'r str>,
    /// The lists on which it has an active contact.
    pub lists: Vec<&'r ListName>,
    /// Since when it is on the roster.
    pub since: Timestamp,
}

impl Roster {
    /// The organisation of this name.
    #[must_use]
    pub fn org(&self, name: &OrgName) -> Option<&Org> {
        self.orgs.get(name)
    }

    /// The organisations with an active contact, by name: no address, no person, nobody who has left or asks to come.
    #[must_use]
    pub fn register(&self) -> Vec<Registered<'_>> {
        let mut lists: BTreeMap<&OrgName, Vec<&ListName>> = BTreeMap::new();
        for (list, member) in self.everyone().filter(|(_, m)| m.is_active()) {
            let Some(org) = member.contact_of() else { continue };
            let theirs = lists.entry(org).or_default();
            if theirs.last() != Some(&list) {
                theirs.push(list);
            }
        }
        let registered = self.orgs.iter().filter_map(|(name, org)| Some((org, lists.remove(name)?)));
        registered
            .map(|(org, lists)| Registered {
                title: &org.title,
                website: org.website.as_deref(),
                lists,
                since: org.since,
            })
            .collect()
    }

    /// The contacts of an organisation on a list who belong to it, suspended ones included.
    pub fn contacts<'r>(
        &'r self,
        org: &'r OrgName,
        list: &ListName,
    ) -> impl Iterator<Item = &'r Member> + use<'r> {
        self.members(list).iter().filter(move |m| m.belongs() && m.contact_of() == Some(org))
    }

    /// The organisation of the roster that this one rebuilds, if what it says names one: by its short name or its title.
    #[must_use]
    pub fn upstream_of(&self, org: &OrgName) -> Option<&OrgName> {
        let upstream = self.org(org)?.upstream.as_deref()?.trim();
        let named = |(name, other): &(&OrgName, &Org)| {
            upstream.eq_ignore_ascii_case(name.as_str())
                || upstream.to_lowercase() == other.title.to_lowercase()
        };
        self.orgs.iter().find(named).map(|(name, _)| name).filter(|name| *name != org)
    }

    /// Changes what is known of an organisation: what is given, and nothing else. `None`: nothing of it is new.
    ///
    /// # Errors
    /// When it is not there, or a text does not serve.
    pub fn edit_org(
        &self,
        name: &OrgName,
        edit: OrgEdit,
        reason: Option<String>,
    ) -> Result<Option<(Self, Change)>, Refusal> {
        let before = self.org(name).ok_or_else(|| Refusal::OrgUnknown(name.clone()))?;
        let mut after = before.clone();
        if let Some(title) = edit.title {
            after.title = text("title", title)?.ok_or(Refusal::OrgText("title"))?;
        }
        after.kind = edit.kind.or(before.kind);
        let texts = [
            ("upstream", edit.upstream, &mut after.upstream),
            ("website", edit.website, &mut after.website),
            ("user-base", edit.user_base, &mut after.user_base),
            ("evidence", edit.evidence, &mut after.evidence),
        ];
        for (field, given, kept) in texts {
            if let Some(given) = given {
                *kept = text(field, given)?;
            }
        }
        if after.upstream.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(name.as_str())) {
            return Err(Refusal::OwnUpstream(name.clone()));
        }
        let differs = [
            ("title", after.title != before.title),
            ("kind", after.kind != before.kind),
            ("upstream", after.upstream != before.upstream),
            ("website", after.website != before.website),
            ("user-base", after.user_base != before.user_base),
            ("evidence", after.evidence != before.evidence),
        ];
        let fields: Vec<String> =
            differs.iter().filter(|(_, new)| *new).map(|(field, _)| (*field).to_owned()).collect();
        if fields.is_empty() {
            return Ok(None);
        }
        Ok(Some((self.with_org(name, after), Change::OrgEdited { org: name.clone(), fields, reason })))
    }

    pub(super) fn with_org(&self, name: &OrgName, org: Org) -> Self {
        let mut new = self.clone();
        new.orgs.insert(name.clone(), org);
        new
    }
}

/// A text as it is kept; none where nothing is left of it. Line feeds may stand in it: evidence is often a list.
impl Org {
    /// Whether what is kept of an organisation, which came from elsewhere, is what could have been kept here.
    pub(super) fn fits(&self, name: &OrgName) -> Result<(), Refusal> {
        let texts = [
            ("title", Some(&self.title)),
            ("upstream", self.upstream.as_ref()),
            ("website", self.website.as_ref()),
            ("user-base", self.user_base.as_ref()),
            ("evidence", self.evidence.as_ref()),
        ];
        for (field, given) in texts.into_iter().filter_map(|(field, text)| Some((field, text?))) {
            if text(field, given.clone())?.as_ref() != Some(given) {
                return Err(Refusal::OrgText(field));
            }
        }
        if self.upstream.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(name.as_str())) {
            return Err(Refusal::OwnUpstream(name.clone()));
        }
        Ok(())
    }
}

pub(super) fn text(field: &'static str, given: String) -> Result<Option<String>, Refusal> {
    let given = given.trim().to_owned();
    if given.chars().count() > MAX_TEXT || given.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Refusal::OrgText(field));
    }
    Ok(Some(given).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;
    use crate::roster::membership::{MemberFile, Role, Standing};
    use crate::roster::org::OrgKind;

    fn name(text: &str) -> OrgName {
        text.parse().unwrap()
    }

    fn list(text: &str) -> ListName {
        text.parse().unwrap()
    }

    fn with(orgs: &[&str]) -> Roster {
        orgs.iter().fold(Roster::default(), |roster, org| {
            roster.add_org(&name(org), format!("{org} Inc."), Timestamp::from_secs(9)).unwrap().0
        })
    }

    fn joined(roster: &Roster, on: &str, org: &str, n: u8) -> Roster {
        let contact = Member {
            id: format!("m-{n}").parse().unwrap(),
            address: format!("psirt{n}@{org}.example").parse().unwrap(),
            fingerprint: Fingerprint::V4([n; 20]),
            role: Role::Contact { org: name(org) },
            standing: Standing::Active,
            since: Timestamp::from_secs(0),
            format: None,
            file: MemberFile::default(),
        };
        roster.add_member(&list(on), contact).unwrap().0
    }

    #[test]
    fn an_edit_changes_what_is_given_and_the_journal_names_only_the_fields() {
        let edit = OrgEdit {
            kind: Some(OrgKind::Vendor),
            website: Some(" https://acme.example ".to_owned()),
            ..OrgEdit::default()
        };
        let (roster, change) = with(&["acme"]).edit_org(&name("acme"), edit.clone(), None).unwrap().unwrap();
        let fields = vec!["kind".to_owned(), "website".to_owned()];
        assert_eq!(change, Change::OrgEdited { org: name("acme"), fields, reason: None });
        let org = roster.org(&name("acme")).unwrap();
        assert_eq!((org.title.as_str(), org.kind), ("acme Inc.", Some(OrgKind::Vendor)));
        assert_eq!(org.website.as_deref(), Some("https://acme.example"));
        assert_eq!(roster.edit_org(&name("acme"), edit, None), Ok(None), "nothing of it is new");
        let gone = OrgEdit { website: Some(String::new()), ..OrgEdit::default() };
        let (roster, _) = roster.edit_org(&name("acme"), gone, None).unwrap().unwrap();
        assert_eq!(roster.org(&name("acme")).unwrap().website, None);
        assert_eq!(roster.org(&name("acme")).unwrap().kind, Some(OrgKind::Vendor));
    }

    #[test]
    fn texts_that_do_not_serve_are_refused_by_name() {
        let refused = |edit: OrgEdit| with(&["acme"]).edit_org(&name("acme"), edit, None).unwrap_err();
        let title = OrgEdit { title: Some("  ".to_owned()), ..OrgEdit::default() };
        assert_eq!(refused(title), Refusal::OrgText("title"));
        let control = OrgEdit { evidence: Some("a\u{1b}[2J".to_owned()), ..OrgEdit::default() };
        assert_eq!(refused(control), Refusal::OrgText("evidence"));
        let long = OrgEdit { user_base: Some("x".repeat(MAX_TEXT + 1)), ..OrgEdit::default() };
        assert_eq!(refused(long), Refusal::OrgText("user-base"));
        let own = OrgEdit { upstream: Some("ACME".to_owned()), ..OrgEdit::default() };
        assert_eq!(refused(own), Refusal::OwnUpstream(name("acme")));
        let none = with(&[]).edit_org(&name("acme"), OrgEdit::default(), None).unwrap_err();
        assert_eq!(none, Refusal::OrgUnknown(name("acme")));
    }

    #[test]
    fn the_register_has_active_organisations_once_and_no_address() {
        let roster = with(&["acme", "gone", "idle"]);
        let roster = joined(&joined(&roster, "announce", "acme", 1), "announce", "acme", 2);
        let roster = joined(&joined(&roster, "talk", "acme", 1), "announce", "gone", 3);
        let at = "psirt3@gone.example".parse().unwrap();
        let now = Timestamp::from_secs(9);
        let (roster, _) = roster.move_member(&list("announce"), &at, Standing::Suspended, None, now).unwrap();
        let (announce, talk) = (list("announce"), list("talk"));
        let acme = Registered {
            title: "acme Inc.",
            website: None,
            lists: vec![&announce, &talk],
            since: Timestamp::from_secs(9),
        };
        assert_eq!(roster.register(), [acme]);
        assert_eq!(roster.contacts(&name("acme"), &announce).count(), 2);
        assert_eq!(roster.contacts(&name("gone"), &announce).count(), 1, "the suspended belong");
    }

    #[test]
    fn an_upstream_is_found_by_name_or_title_whenever_it_comes() {
        let says = |upstream: &str, orgs: &[&str]| {
            let edit = OrgEdit { upstream: Some(upstream.to_owned()), ..OrgEdit::default() };
            let roster = with(orgs).edit_org(&name("acme"), edit, None).unwrap().unwrap().0;
            roster.upstream_of(&name("acme")).map(ToString::to_string)
        };
        assert_eq!(says("debian", &["acme", "debian"]).as_deref(), Some("debian"));
        assert_eq!(says("DEBIAN inc.", &["acme", "debian"]).as_deref(), Some("debian"));
        assert_eq!(says("Debian", &["acme"]), None);
    }
}
