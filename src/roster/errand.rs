//! What the relay has to write to somebody: to whom and about what. Metadata only: no variant can carry what a mail said.

mod about;

use serde::{Deserialize, Serialize};

use crate::id::{ApplicationId, BreachId, Fingerprint, ListName, MemberId, OrgName};
use crate::mail::address::Address;
use crate::pgp::cert::Format;
use crate::policy::BreachField;
use crate::roster::aim::Aim;
use crate::roster::application::Stage;
use crate::roster::ballot::{Choice, Motion, Outcome};
pub use crate::roster::enclosed::Enclosed;
use crate::roster::membership::Member;
use crate::roster::moderation::HeldMail;
use crate::roster::removal::Reason;
use crate::roster::term::TermStage;
use crate::roster::terms::{Asking, Edition};
pub use crate::roster::told::{Answer, ChainHead, Who};
use crate::time::Timestamp;

/// Whom a letter reaches, as it was when it became due: who is removed meanwhile still gets what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// As journal and queue name them.
    pub id: MemberId,
    /// Where it goes.
    pub address: Address,
    /// To which certificate it is sealed.
    pub fingerprint: Fingerprint,
    /// In which format, if not by the rule.
    pub format: Option<Format>,
    /// The certificate itself, where the registry does not keep it, or not for long.
    #[serde(default, with = "serde_bytes")]
    pub cert: Option<Vec<u8>>,
}

impl From<&Member> for Reached {
    fn from(member: &Member) -> Self {
        Self {
            id: member.id.clone(),
            address: member.address.clone(),
            fingerprint: member.fingerprint,
            format: member.format,
            cert: None,
        }
    }
}

/// A letter that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Whose letter it is: this list's key signs it, and its address for requests takes the answer.
    pub list: ListName,
    /// Whom it is for.
    pub to: Reached,
    /// What it is about.
    pub about: About,
    /// Until when its tokens count.
    pub until: Option<Timestamp>,
}

/// What a letter is about. The texts are in `relay/letters/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// Whether SEIPD version 2 is read.
    FormatAsked,
    /// A ballot was opened, and the person may vote.
    VoteWanted {
        /// What is voted on, and which ballot it is.
        motion: Motion,
        /// The ballot.
        ballot: crate::id::BallotId,
        /// What the motion is about, in words made of the roster.
        title: String,
        /// How many have to approve.
        quorum: u32,
        /// What a voter should see of it, a sentence each.
        #[serde(default)]
        remarks: Vec<String>,
    },
    /// A vote was counted.
    Voted {
        /// Which way.
        choice: Choice,
        /// What the motion is about.
        title: String,
        /// What came of the ballot so far.
        outcome: Outcome,
        /// Whether the people of the voter's organisation disagree, so that it counts on neither side.
        #[serde(default)]
        split: bool,
        /// The rule against what would have followed.
        #[serde(default)]
        rule: Option<String>,
    },
    /// The list's terms are to be accepted. The text itself stands in the letter.
    AcceptWanted {
        /// Which text.
        edition: Edition,
        /// Until when.
        due: Option<Timestamp>,
        /// Why it is asked.
        asking: Asking,
        /// How many of its own people are recorded with a former text.
        #[serde(default)]
        staff: u32,
    },
    /// The terms were accepted.
    Accepted {
        /// Which text.
        edition: Edition,
    },
    /// One of the member's own people is recorded.
    StaffRecorded {
        /// The person.
        name: String,
    },
    /// One of the member's own people is not recorded.
    StaffRefused {
        /// Why, in words of ours.
        why: String,
    },
    /// Whether the address is read.
    AliasProbe {
        /// The number of the question.
        round: u32,
        /// Until when.
        due: Timestamp,
        /// Whether it was asked before.
        again: bool,
    },
    /// The question came back answered.
    AliasAnswered,
    /// So many questions stayed without an answer that the member is suspended.
    AliasSuspended {
        /// The number of the last question.
        round: u32,
        /// How many in a row.
        missed: u32,
        /// Whether an answer ends it.
        back: bool,
        /// Until when an answer takes back the removal that the relay has asked for.
        #[serde(default)]
        cure_until: Option<Timestamp>,
    },
    /// The same, for the team.
    AliasSilent {
        /// Whose address.
        who: String,
        /// How many in a row.
        missed: u32,
        /// The same for a command.
        #[serde(default)]
        at: Option<Address>,
        /// The ballot on its removal, where the relay has asked for that.
        #[serde(default)]
        asked: Option<crate::id::BallotId>,
    },
    /// A leak was reported, for the team.
    BreachOpened {
        /// Which.
        breach: BreachId,
        /// Who broke the embargo.
        org: Option<OrgName>,
        /// Which questions are answered.
        answered: Vec<BreachField>,
        /// Which are not.
        missing: Vec<BreachField>,
        /// Until when they are to be.
        due: Option<Timestamp>,
        /// The answers, sealed at rest to the spool certificate, where they do not come as a mail of their own.
        sealed: Option<Enclosed>,
    },
    /// A report of a leak was taken, for whoever sent it.
    BreachTaken {
        /// Which.
        breach: BreachId,
        /// What it does not say.
        missing: Vec<BreachField>,
        /// Until when that is due.
        due: Option<Timestamp>,
    },
    /// Answers about a leak are overdue, for the team.
    BreachOverdue {
        /// Which.
        breach: BreachId,
        /// What is missing.
        missing: Vec<BreachField>,
    },
    /// A form came back with something missing; nothing of it is kept.
    FormReturned {
        /// What is missing or wrong, a line each, in words of ours.
        faults: Vec<String>,
        /// The lines of the form for it.
        lines: String,
    },
    /// A rule is against an application.
    ApplicationRefused {
        /// Which.
        rule: String,
    },
    /// An application came, and whoever reads the contact address is to confirm it.
    ConfirmWanted(Box<Who>),
    /// An application was confirmed.
    ApplicationTaken(Box<Who>),
    /// The same, for the team.
    ApplicationCame(Box<Who>),
    /// Somebody is to be vouched for.
    VouchWanted(Box<Who>),
    /// A voucher counts.
    VouchCounted {
        /// For whom.
        title: String,
        /// How many more are needed.
        missing: u32,
    },
    /// Somebody applies for the organisation of whoever reads the letter.
    ColleagueApplies(Box<Who>),
    /// A voucher does not count.
    VouchRefused {
        /// For which application.
        application: ApplicationId,
        /// The rule against it.
        rule: String,
    },
    /// An application has ended, or the team approved it.
    ApplicationWent {
        /// Which.
        application: ApplicationId,
        /// How far it is now.
        stage: Stage,
    },
    // -- exchange
    /// Where the journal's chains end.
    JournalHead {
        /// Each chain that has an entry.
        heads: Vec<ChainHead>,
        /// When.
        at: Timestamp,
    },
    /// Mail is held, and whoever reads this may decide about it.
    Held {
        /// Which mails.
        mails: Vec<HeldMail>,
        /// How many there are besides.
        more: u32,
        /// Whether it was told before, and their time runs out.
        reminder: bool,
    },
    /// Held mail was dropped because nobody had decided about it in time.
    HeldExpired {
        /// Which mails.
        mails: Vec<HeldMail>,
        /// How many there were besides.
        more: u32,
    },
    /// Somebody of the team, or an admin, wants to see no more of what a key signs.
    SignerIgnored {
        /// Which key.
        signer: Fingerprint,
        /// Who of the team, as the others know them; `None`: an admin.
        by: Option<String>,
    },
    /// What came of somebody's command.
    Answered {
        /// What it was for, if its token counted.
        aim: Option<String>,
        /// What came of it.
        answer: Answer,
    },
    /// What can be asked of a list, and how the asker stands on it.
    Help {
        /// What the relay knows of the asker, each with its name.
        facts: Vec<(String, String)>,
        /// What one may do with a token of this letter.
        offers: Vec<Aim>,
    },
    /// Another certificate is pinned for somebody: told at the old one and at the new one.
    CertReplaced {
        /// The one before.
        before: Fingerprint,
        /// The one from now on.
        after: Fingerprint,
    },
    // -- quorum
    /// A ballot is over, or cannot be carried by those who are left.
    BallotTold {
        /// Which.
        ballot: crate::id::BallotId,
        /// What the motion is about.
        title: String,
        /// What came of it; open: too few are left to carry it.
        outcome: Outcome,
        /// The rule against what would have followed.
        #[serde(default)]
        rule: Option<String>,
    },
    /// Somebody may lose their membership: to them, and to the team while there is time to mend it.
    RemovalAsked {
        /// Who, to the team; none: whoever reads the letter.
        whom: Option<String>,
        /// Why.
        reason: Reason,
        /// What was said besides.
        words: Option<String>,
        /// Since when.
        since: Timestamp,
        /// Until when it can be mended; then the team votes.
        cure_until: Option<Timestamp>,
    },
    /// What was asked for is taken back: the membership goes on.
    RemovalWithdrawn,
    /// Somebody is no longer on the list.
    Farewell {
        /// Why, where one of the policy's reasons was given.
        reason: Option<Reason>,
        /// Whether they were a person of the team.
        team: bool,
    },
    /// A term ends, or is over.
    TermEnds {
        /// Whose, to the team; none: whoever reads the letter.
        whose: Option<String>,
        /// When.
        ends: Timestamp,
        /// Until when things go on behind it.
        grace_until: Timestamp,
        /// How far it is.
        stage: TermStage,
    },
}
