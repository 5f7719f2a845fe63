//! Applications for membership: what was asked for, who speaks for whom, and the rule against each step. Pure: a voucher
//! gives the application with it, or the rule against it.

mod refusal;
mod stage;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::refusal::Refusal;
pub use self::stage::Stage;
use crate::id::{ApplicationId, BallotId, Fingerprint, ListName, MemberId, OrgName, SpoolId};
use crate::mail::address::Address;
use crate::policy::Membership;
use crate::roster::membership::{Cause, Member, Standing};
use crate::roster::org::OrgKind;
use crate::time::Timestamp;

/// How many applications may be open on one list where its policy does not say: strangers must not fill the store.
pub const MOST_OPEN: u32 = 50;

/// How long whoever reads a contact address has to confirm it.
pub const CONFIRMED_BY: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long an application that did not become a membership is kept to be looked at.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// The largest certificate of an applicant, in bytes: it is kept for a stranger.
pub const LARGEST_CERT: usize = 64 * 1024;

/// A complete form: what the applicant says of itself, to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// The organisation's short name.
    pub org: OrgName,
    /// Its name in full.
    pub title: String,
    /// What sort it is.
    pub kind: OrgKind,
    /// Its website.
    pub website: String,
    /// Whose product it rebuilds.
    pub upstream: String,
    /// Who uses what it makes.
    pub users: String,
    /// Where copies are to go.
    pub address: Address,
    /// What is said to each criterion, by its name.
    pub answers: BTreeMap<String, String>,
}

/// That somebody speaks for an applicant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// Who.
    pub by: MemberId,
    /// For which organisation they stand.
    pub org: Option<OrgName>,
    /// When.
    pub at: Timestamp,
    /// SHA-256 of the signed statement, in hex, where the admin recorded one; none: by mail.
    pub statement: Option<String>,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name.
    pub id: ApplicationId,
    /// To which list.
    pub list: ListName,
    /// The applicant, as the roster names them.
    pub member: MemberId,
    /// The applicant's certificate: it signed the application.
    pub fingerprint: Fingerprint,
    /// What they say.
    pub form: Filled,
    /// Since when.
    pub opened: Timestamp,
    /// Until when members may vouch, where the policy says so.
    pub vouch_until: Option<Timestamp>,
    /// When it lapses if nobody decided, where the policy says so.
    pub lapses: Option<Timestamp>,
    /// How far it is.
    pub stage: Stage,
    /// Since when it is there.
    pub since: Timestamp,
    /// Whether it came when nobody was on the list who could vouch.
    #[serde(default)]
    pub founding: bool,
    /// Who speaks for them.
    pub vouchers: Vec<Voucher>,
    /// The ballot on it.
    pub ballot: Option<BallotId>,
    /// The mail that brought it; none where the admin did.
    pub mail: Option<SpoolId>,
}

/// What the journal says of applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Change {
    /// It was complete, and was taken: whoever reads the contact address is asked to confirm it.
    Taken {
        /// Which.
        application: ApplicationId,
        /// The applicant.
        member: MemberId,
        /// For which organisation.
        org: OrgName,
        /// With which certificate.
        fingerprint: Fingerprint,
        /// Whether nobody could vouch.
        founding: bool,
    },
    /// It was returned, and nothing is kept of it.
    Returned {
        /// Who signed it.
        fingerprint: Fingerprint,
        /// The keys that are missing or wrong; none: a rule is against it.
        missing: Vec<String>,
    },
    /// Somebody vouched.
    Vouched {
        /// For which.
        application: ApplicationId,
        /// Who.
        by: MemberId,
        /// SHA-256 of the signed statement, where there is one.
        statement: Option<String>,
    },
    /// A voucher did not count.
    VoucherRefused {
        /// For which.
        application: ApplicationId,
        /// Whose.
        by: MemberId,
        /// The rule against it.
        rule: String,
    },
    /// It went on, or ended.
    Went {
        /// Which.
        application: ApplicationId,
        /// To where.
        stage: Stage,
    },
}

impl Application {
    /// The application with one voucher more.
    ///
    /// # Errors
    /// The first rule against it.
    pub fn vouch(
        &self,
        voucher: &Member,
        applicant: Option<&Member>,
        rules: &Membership,
        statement: Option<String>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let id = || self.id.clone();
        let again = applicant.is_some_and(lost_voucher);
        if self.stage != Stage::Vouching && !(self.stage == Stage::Admitted && again) {
            return Err(Refusal::NotOpen { id: id(), stage: self.stage });
        }
        let same_mailbox = voucher.is_called(&self.form.address);
        if voucher.id == self.member || voucher.signs_with(self.fingerprint) || same_mailbox {
            return Err(Refusal::Oneself(id()));
        }
        if !voucher.is_active() {
            return Err(Refusal::NotActive { id: id(), standing: voucher.standing });
        }
        if voucher.org() == Some(&self.form.org) && rules.voucher_same_org != Some(true) {
            return Err(Refusal::SameOrg { id: id(), org: self.form.org.clone() });
        }
        if self.vouchers.iter().any(|earlier| earlier.by == voucher.id) {
            return Err(Refusal::Twice(id()));
        }
        if let Some(until) = self.vouch_until.filter(|until| now >= *until && !again) {
            return Err(Refusal::TooLate { id: id(), until });
        }
        let mut new = self.clone();
        new.vouchers.push(Voucher {
            by: voucher.id.clone(),
            org: voucher.org().cloned(),
            at: now,
            statement,
        });
        Ok(new)
    }

    /// Whether nobody of the voucher's organisation speaks for the applicant yet, of those who are `there` still.
    ///
    /// # Errors
    /// When somebody does.
    pub fn speaks_first(&self, voucher: &Member, there: impl Fn(&MemberId) -> bool) -> Result<(), Refusal> {
        let Some(org) = voucher.org() else { return Ok(()) };
        let colleague = |earlier: &Voucher| {
            earlier.org.as_ref() == Some(org) && earlier.by != voucher.id && there(&earlier.by)
        };
        if self.vouchers.iter().any(colleague) {
            return Err(Refusal::SameVoice { id: self.id.clone(), org: org.clone() });
        }
        Ok(())
    }

    /// Whether this member could vouch today: those are asked.
    #[must_use]
    pub fn may_vouch(&self, voucher: &Member, rules: &Membership) -> bool {
        let other = voucher.org() != Some(&self.form.org) || rules.voucher_same_org == Some(true);
        let oneself = voucher.id == self.member
            || voucher.signs_with(self.fingerprint)
            || voucher.is_called(&self.form.address);
        let twice = self.vouchers.iter().any(|earlier| earlier.by == voucher.id);
        voucher.is_active() && other && !oneself && !twice
    }

    /// Whether a signed text is a voucher for this application and this person: it names both in full.
    ///
    /// # Errors
    /// Which of the two it does not name.
    pub fn named_in(&self, text: &str) -> Result<(), Refusal> {
        let text = spoken(text).ok_or_else(|| Refusal::BadStatement(NOT_SAID.to_owned()))?;
        let words = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        if !text.split(words).any(|word| word.eq_ignore_ascii_case(self.id.as_str())) {
            return Err(Refusal::OtherApplication(self.id.clone()));
        }
        // People write fingerprints in groups.
        let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_uppercase();
        if bare.contains(&self.fingerprint.to_string()) {
            Ok(())
        } else {
            Err(Refusal::OtherPerson(self.fingerprint))
        }
    }

    /// When its time is over if it stays as it is.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        let voucherless = self.vouch_until.filter(|_| self.stage == Stage::Vouching);
        let silent = (self.stage == Stage::Confirming).then(|| self.opened.after(CONFIRMED_BY));
        [silent, voucherless, self.lapses.filter(|_| self.stage.is_open())].into_iter().flatten().min()
    }
}

/// The words that a statement has to say by itself.
const SAID: &str = "i vouch for";
const NOT_SAID: &str =
    "it has no paragraph that begins with \"I vouch for\" and names application and certificate";

/// The paragraph in which somebody says that they vouch: what is quoted somebody else said.
fn spoken(text: &str) -> Option<String> {
    let said = |line: &&str| !line.trim_start().to_lowercase().starts_with(SAID);
    let lines: Vec<&str> = text.lines().skip_while(said).collect();
    let paragraph: Vec<&str> = lines
        .into_iter()
        .take_while(|line| !line.trim().is_empty() && !line.trim_start().starts_with('>'))
        .collect();
    (!paragraph.is_empty()).then(|| paragraph.join("\n"))
}

/// Whether a member is suspended because whoever vouched for them was removed.
#[must_use]
pub fn lost_voucher(member: &Member) -> bool {
    member.standing == Standing::Suspended && member.file.cause == Some(Cause::VoucherLost)
}

#[cfg(test)]
mod tests;
