//! The persons of a team: for how long they are appointed, by whom, and whether the team is as its policy wants it. Pure.

mod seats;

use std::time::Duration;

pub use self::seats::{Violation, violations};
use crate::id::{Fingerprint, ListName, MemberId};
use crate::mail::address::Address;
use crate::policy::{Team as Rules, duration};
use crate::roster::membership::{Member, Standing};
use crate::roster::term::{Appointed, BodyMember, Change, Refusal, Term};
use crate::roster::{Change as AnyChange, Refusal as AnyRefusal, Roster};
use crate::time::Timestamp;

/// What is due about a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// To tell that it ends so long from then; zero: that it is over.
    Tell(Duration),
    /// It is over, and so is the time of grace.
    Suspend,
}

/// What is due about a member's term by now. What was told is not told again, and of what two days ask for only the nearer
/// one is told.
#[must_use]
pub fn due(member: &Member, rules: &Rules, now: Timestamp) -> Option<Due> {
    let term = member.file.seated.term.filter(|_| member.is_active())?;
    if now >= term.ends.after(rules.grace.unwrap_or_default()) {
        return Some(Due::Suspend);
    }
    let steps = rules.remind.iter().copied().chain(std::iter::once(Duration::ZERO));
    let reached = steps.filter(|before| now >= term.ends.before(*before)).min()?;
    let news = member.file.seated.told.is_none_or(|told| reached.as_secs() < told);
    news.then_some(Due::Tell(reached))
}

impl Roster {
    /// The members of a body.
    #[must_use]
    pub fn body(&self, name: &str) -> &[BodyMember] {
        self.bodies.get(name).map_or(&[], Vec::as_slice)
    }

    /// All bodies.
    pub fn bodies(&self) -> impl Iterator<Item = (&str, &BodyMember)> {
        self.bodies.iter().flat_map(|(name, members)| members.iter().map(|m| (name.as_str(), m)))
    }

    /// Whether somebody who has not been removed has this certificate, or somebody of a body.
    #[must_use]
    pub fn pins(&self, cert: Fingerprint) -> bool {
        let member = |m: &Member| m.standing != Standing::Removed && m.signs_with(cert);
        self.everyone().any(|(_, m)| member(m)) || self.bodies().any(|(_, m)| m.fingerprint == cert)
    }

    /// Adds somebody to a body.
    ///
    /// # Errors
    /// When address or certificate are there.
    pub fn join_body(&self, body: &str, new: BodyMember) -> Result<(Self, AnyChange), AnyRefusal> {
        let taken = |m: &BodyMember| m.address.same_mailbox(&new.address) || m.fingerprint == new.fingerprint;
        if self.body(body).iter().any(taken) {
            return Err(Refusal::BodyKnown(body.to_owned()).into());
        }
        let (member, fingerprint) = (new.id.clone(), new.fingerprint);
        let what = Change::BodyJoined { body: body.to_owned(), member, fingerprint };
        let mut roster = self.clone();
        roster.bodies.entry(body.to_owned()).or_default().push(new);
        Ok((roster, AnyChange::Team { what }))
    }

    /// Takes somebody out of a body; also says whose certificate that was.
    ///
    /// # Errors
    /// When nobody there has that address.
    pub fn leave_body(
        &self,
        body: &str,
        address: &Address,
    ) -> Result<((Self, AnyChange), Fingerprint), AnyRefusal> {
        let here = self.body(body).iter().find(|m| m.address.same_mailbox(address));
        let gone = here.ok_or_else(|| Refusal::NoBody(body.to_owned()))?.clone();
        let mut roster = self.clone();
        if let Some(members) = roster.bodies.get_mut(body) {
            members.retain(|m| m.id != gone.id);
            if members.is_empty() {
                roster.bodies.remove(body);
            }
        }
        let what = Change::BodyLeft { body: body.to_owned(), member: gone.id };
        Ok(((roster, AnyChange::Team { what }), gone.fingerprint))
    }

    /// Gives somebody a term.
    #[must_use]
    pub fn set_term(&self, list: &ListName, id: &MemberId, term: Term) -> (Self, AnyChange) {
        let (starts, ends) = (term.starts.to_string(), term.ends.to_string());
        let roster = self.with_member(list, id, |m| {
            m.file.seated.term = Some(term);
            m.file.seated.told = None;
        });
        (roster, AnyChange::Team { what: Change::TermSet { member: id.clone(), starts, ends } })
    }

    /// Notes that somebody was told of the term's end.
    #[must_use]
    pub fn told_of_term(&self, list: &ListName, id: &MemberId, before: Duration) -> (Self, AnyChange) {
        let roster = self.with_member(list, id, |m| m.file.seated.told = Some(before.as_secs()));
        let before = duration::show(before);
        (roster, AnyChange::Team { what: Change::TermTold { member: id.clone(), before } })
    }

    /// Notes by whom somebody was appointed, and as what.
    #[must_use]
    pub fn seat(
        &self,
        list: &ListName,
        id: &MemberId,
        appointed: Appointed,
        roles: Option<Vec<String>>,
    ) -> (Self, AnyChange) {
        let what = match &appointed {
            Appointed::Body { body, approvals } => {
                Change::Appointed { member: id.clone(), body: body.clone(), approvals: approvals.clone() }
            }
            Appointed::Replacement { of_role, replaces } => {
                Change::Replaced { member: id.clone(), replaces: replaces.clone(), by: of_role.clone() }
            }
            Appointed::Admin => {
                Change::Appointed { member: id.clone(), body: "admin".to_owned(), approvals: Vec::new() }
            }
        };
        let roster = self.with_member(list, id, |m| {
            m.file.seated.appointed = appointed;
            if let Some(roles) = roles {
                m.set_roles(roles);
            }
        });
        (roster, AnyChange::Team { what })
    }
}

/// A term after the policy, from when it starts.
///
/// # Errors
/// When it would start later than now, or be over.
pub fn term(rules: &Rules, starts: Timestamp, now: Timestamp) -> Result<Option<Term>, Refusal> {
    let Some(length) = rules.term else { return Ok(None) };
    let ends = starts.after(length);
    if starts > now {
        return Err(Refusal::NotBegun(starts));
    }
    if ends <= now { Err(Refusal::Over(ends)) } else { Ok(Some(Term { starts, ends })) }
}

#[cfg(test)]
mod tests;
