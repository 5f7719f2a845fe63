//! Who has to accept a list's terms, and what has to be done about it now.

use std::time::Duration;

use crate::id::{ListName, MemberId};
use crate::roster::change::Change as AnyChange;
use crate::roster::membership::{Cause, Member, Role, Standing};
use crate::roster::terms::{Accepted, Asked, Change, Edition, InForce, Staff};
use crate::roster::{Refusal, Roster};
use crate::time::Timestamp;

/// Whether a member has to accept terms where there are any: contacts do, the persons of a team are bound otherwise.
#[must_use]
pub const fn binds(member: &Member) -> bool {
    matches!(member.role, Role::Contact { .. })
}

impl Roster {
    /// The text that is in force on a list.
    #[must_use]
    pub fn terms_of(&self, list: &ListName) -> Option<&InForce> {
        self.terms.get(list)
    }

    /// A text is in force from now on, if it never was.
    #[must_use]
    pub fn put_in_force(
        &self,
        list: &ListName,
        edition: &Edition,
        now: Timestamp,
    ) -> Option<(Self, AnyChange)> {
        let before = self.terms.get(list);
        if before.is_some_and(|before| before.edition == *edition || before.former.contains(edition)) {
            return None;
        }
        let (mut former, first) = before.map_or((Vec::new(), now), |b| (b.former.clone(), b.first));
        former.extend(before.map(|before| before.edition.clone()));
        let mut new = self.clone();
        new.terms.insert(list.clone(), InForce { edition: edition.clone(), first, former });
        Some((new, AnyChange::Terms { what: Change::InForce { edition: edition.clone() } }))
    }

    /// Whether a member of a list with terms gets nothing before it has accepted them.
    #[must_use]
    pub fn is_withheld(&self, list: &ListName, member: &Member) -> bool {
        binds(member)
            && match &member.file.terms.asked {
                Some(asked) => asked.withheld,
                None => self.came_after(list, member),
            }
    }

    /// Whether somebody who accepted nothing yet came when there was something to accept.
    #[must_use]
    pub fn came_after(&self, list: &ListName, member: &Member) -> bool {
        let first = self.terms.get(list).map(|terms| terms.first);
        member.file.terms.accepted.is_none() && first.is_some_and(|first| member.since >= first)
    }

    /// The question did not go out: its time does not run, and it is asked again a day later. No change of its own.
    #[must_use]
    pub fn unsent_terms(&self, list: &ListName, id: &MemberId) -> Self {
        self.with_member(list, id, |m| {
            if let Some(asked) = &mut m.file.terms.asked {
                asked.due = None;
            }
        })
    }

    /// Asks a member to accept a text. Who was asked for another before is asked for this one from now on, and who got
    /// nothing till then gets nothing till now.
    ///
    /// # Errors
    /// When nobody of that list has that id, or has been removed.
    pub fn ask_acceptance(
        &self,
        list: &ListName,
        id: &MemberId,
        mut asked: Asked,
    ) -> Result<(Self, AnyChange), Refusal> {
        let member = self.with_id(list, id)?;
        asked.withheld |= member.file.terms.asked.as_ref().is_some_and(|before| before.withheld);
        let due = asked.due.map(|due| due.to_string());
        let what = Change::Asked { member: id.clone(), edition: asked.edition.clone(), due };
        let new = self.with_member(list, id, |m| m.file.terms.asked = Some(asked));
        Ok((new, AnyChange::Terms { what }))
    }

    /// A member accepts a text: nothing is asked any more. Who is suspended for not accepting is moved by another change.
    ///
    /// # Errors
    /// As [`Roster::ask_acceptance`].
    pub fn accept(
        &self,
        list: &ListName,
        id: &MemberId,
        accepted: Accepted,
    ) -> Result<(Self, AnyChange), Refusal> {
        let mut new = self.clone();
        let change = new.take_acceptance(list, id, accepted)?;
        Ok((new, change))
    }

    /// The same on this very roster: an import does so for thousands.
    ///
    /// # Errors
    /// As [`Roster::accept`]; then nothing has changed.
    pub fn take_acceptance(
        &mut self,
        list: &ListName,
        id: &MemberId,
        accepted: Accepted,
    ) -> Result<AnyChange, Refusal> {
        self.with_id(list, id)?;
        let (edition, how) = (accepted.edition.clone(), accepted.how);
        self.edit_member(list, id, |m| {
            m.file.terms.accepted = Some(accepted);
            m.file.terms.asked = None;
        });
        Ok(AnyChange::Terms { what: Change::Accepted { member: id.clone(), edition, how } })
    }

    /// Notes that so many reminders went out. No change of its own: the letter is journalled.
    #[must_use]
    pub fn reminded_of_terms(&self, list: &ListName, id: &MemberId, reminded: u32) -> Self {
        self.with_member(list, id, |m| {
            if let Some(asked) = &mut m.file.terms.asked {
                asked.reminded = reminded;
            }
        })
    }

    /// Nothing is asked any more, since what was asked for holds no longer. No change of its own.
    #[must_use]
    pub fn unask_acceptance(&self, list: &ListName, id: &MemberId) -> Self {
        self.with_member(list, id, |m| m.file.terms.asked = None)
    }

    /// Records one of a member's own people. The same person again, by name and address, accepted anew.
    ///
    /// # Errors
    /// As [`Roster::ask_acceptance`].
    pub fn add_staff(
        &self,
        list: &ListName,
        id: &MemberId,
        mut staff: Staff,
    ) -> Result<(Self, AnyChange), Refusal> {
        let member = self.with_id(list, id)?;
        let same = |s: &&Staff| s.name == staff.name && s.address == staff.address;
        if let Some(before) = member.file.terms.staff.iter().find(same) {
            staff.id = before.id.clone();
        } else if member.file.terms.staff.len() >= MAX_STAFF {
            return Err(Refusal::TooManyStaff);
        }
        let what = Change::StaffAccepted {
            member: id.clone(),
            staff: staff.id.clone(),
            edition: staff.accepted.edition.clone(),
            signer: staff.signer,
        };
        let new = self.with_member(list, id, |m| {
            m.file.terms.staff.retain(|s| s.id != staff.id);
            m.file.terms.staff.push(staff);
        });
        Ok((new, AnyChange::Terms { what }))
    }

    /// Forgets one of a member's own people.
    ///
    /// # Errors
    /// When the member or the person is not there.
    pub fn remove_staff(
        &self,
        list: &ListName,
        id: &MemberId,
        staff: &MemberId,
    ) -> Result<(Self, AnyChange), Refusal> {
        if !self.with_id(list, id)?.file.terms.staff.iter().any(|s| s.id == *staff) {
            return Err(Refusal::NoStaff(staff.clone()));
        }
        let new = self.with_member(list, id, |m| m.file.terms.staff.retain(|s| s.id != *staff));
        let what = Change::StaffRemoved { member: id.clone(), staff: staff.clone() };
        Ok((new, AnyChange::Terms { what }))
    }

    /// Who of the list has this id and has not been removed.
    pub(in crate::roster) fn with_id(&self, list: &ListName, id: &MemberId) -> Result<&Member, Refusal> {
        let member = self.by_id(list, id).filter(|m| m.standing != Standing::Removed);
        member.ok_or_else(|| Refusal::NoMember(list.clone()))
    }
}

/// So many of an organisation's people one contact may name: a limit against runaway scripts.
const MAX_STAFF: usize = 500;

/// What has to be done about one member's acceptance now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// It is asked, or asked anew: the text is another.
    Ask,
    /// A reminder goes out: so many are out then.
    Remind(u32),
    /// The time is over.
    Suspend,
    /// The time is not over after all.
    Back,
    /// What holds now was accepted before: nothing is asked any more.
    Settled,
}

/// A policy's rules of acceptance.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// How long there is to accept.
    pub deadline: Option<Duration>,
    /// How long before the end of that a reminder goes out.
    pub remind: &'a [Duration],
}

/// After so long a question that did not go out is asked again.
const AGAIN: Duration = Duration::from_secs(24 * 3600);

/// What has to be done about a member of a list whose text that is.
#[must_use]
pub fn due(member: &Member, edition: &Edition, rules: Rules<'_>, now: Timestamp) -> Due {
    let file = &member.file;
    let lapsed = member.standing == Standing::Suspended && file.cause == Some(Cause::NotAccepted);
    if !binds(member) || member.standing == Standing::Removed {
        return Due::Nothing;
    }
    if file.terms.covers(edition) {
        return if file.terms.asked.is_some() || lapsed { Due::Settled } else { Due::Nothing };
    }
    let asked = match &file.terms.asked {
        Some(asked) if asked.edition == *edition => asked,
        None if !member.is_active() && !lapsed => return Due::Nothing,
        _ => return Due::Ask,
    };
    let waits = matches!(member.standing, Standing::Active | Standing::Vouched);
    let Some(due) = asked.due else {
        let unsent = waits && rules.deadline.is_some() && now >= asked.at.after(AGAIN);
        return if unsent { Due::Ask } else { Due::Nothing };
    };
    if lapsed && now < due {
        // The clock was ahead.
        return Due::Back;
    }
    if !waits {
        return Due::Nothing;
    }
    if now >= due {
        return if member.is_active() { Due::Suspend } else { Due::Nothing };
    }
    let passed = rules.remind.iter().map(|before| due.before(*before));
    let passed = passed.filter(|at| now >= *at && asked.at < *at).count();
    let passed = u32::try_from(passed).unwrap_or(u32::MAX);
    if passed > asked.reminded { Due::Remind(passed) } else { Due::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;
    use crate::policy::TextHash;
    use crate::roster::membership::MemberFile;
    use crate::roster::terms::{Acceptance, How};

    const T0: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn edition(text: &str) -> Edition {
        Edition { version: "1".to_owned(), hash: TextHash::of(text) }
    }

    fn contact(standing: Standing, asked: Option<Asked>) -> Member {
        Member {
            id: "m-1".parse().unwrap(),
            address: "m1@example.org".parse().unwrap(),
            fingerprint: Fingerprint::V4([1; 20]),
            role: Role::Contact { org: "acme".parse().unwrap() },
            standing,
            since: T0,
            format: None,
            file: MemberFile {
                terms: Acceptance { asked, ..Acceptance::default() },
                ..MemberFile::default()
            },
        }
    }

    fn asked(text: &str) -> Option<Asked> {
        let due = Some(T0.after(DAY * 30));
        Some(Asked { edition: edition(text), at: T0, due, reminded: 0, withheld: false })
    }

    #[test]
    fn a_text_is_asked_for_reminded_of_and_its_time_ends() {
        let remind = [DAY * 14, DAY * 3];
        let rules = Rules { deadline: Some(DAY * 30), remind: &remind };
        let at = |m: &Member, day: u32| due(m, &edition("a"), rules, T0.after(DAY * day));
        let active = contact(Standing::Active, asked("a"));
        assert_eq!(at(&contact(Standing::Active, None), 0), Due::Ask);
        assert_eq!(at(&contact(Standing::Active, asked("b")), 1), Due::Ask, "the text is another");
        assert_eq!(at(&active, 15), Due::Nothing);
        assert_eq!(at(&active, 16), Due::Remind(1));
        assert_eq!(at(&active, 27), Due::Remind(2), "two that passed are one reminder");
        assert_eq!(at(&active, 30), Due::Suspend);
        assert_eq!(at(&contact(Standing::Vouched, asked("a")), 30), Due::Nothing, "their application ends");
        assert_eq!(at(&contact(Standing::Suspended, None), 0), Due::Nothing, "suspended for something else");
        let mut lapsed = contact(Standing::Suspended, asked("a"));
        lapsed.file.cause = Some(Cause::NotAccepted);
        assert_eq!((at(&lapsed, 31), at(&lapsed, 29)), (Due::Nothing, Due::Back), "the clock was ahead");
        let mut unsent = active;
        unsent.file.terms.asked.as_mut().unwrap().due = None;
        assert_eq!((at(&unsent, 0), at(&unsent, 1)), (Due::Nothing, Due::Ask), "it never went out");
    }

    #[test]
    fn who_came_when_there_was_a_text_gets_nothing_before_and_a_former_text_is_not_asked_for_again() {
        let list: ListName = "distrib".parse().unwrap();
        let (roster, _) = Roster::default().put_in_force(&list, &edition("a"), T0).unwrap();
        let mut before = contact(Standing::Active, None);
        before.since = T0.before(DAY);
        assert!(!roster.is_withheld(&list, &before), "who read before goes on reading");
        let mut after = contact(Standing::Active, None);
        assert!(roster.is_withheld(&list, &after));
        after.file.terms.accepted = Some(Accepted { edition: edition("a"), at: T0, how: How::Mail });
        assert!(!roster.is_withheld(&list, &after));
        let (roster, _) = roster.put_in_force(&list, &edition("b"), T0.after(DAY)).unwrap();
        assert!(roster.put_in_force(&list, &edition("a"), T0.after(DAY * 2)).is_none());
        assert_eq!(roster.terms_of(&list).unwrap().first, T0);
    }
}
