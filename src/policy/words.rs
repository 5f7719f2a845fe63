//! The words that a policy file may use: each value is one of a few, and the error names them all.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$of])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// The word as written in files.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    )+};
}

words! {
    /// What a broken rule does.
    Strictness {
        /// The team is warned.
        Warn = "warn",
        /// The step is refused.
        Block = "block",
    }
    /// What a list is for; `mail::directory::Kind` says the same to the house above.
    ListKind {
        /// Anyone writes, the team reads.
        Intake = "intake",
        /// The team writes, members read.
        Announce = "announce",
        /// Members write and read.
        Discuss = "discuss",
        /// Openly archived.
        Public = "public",
    }
    /// Who may post to a list.
    Poster {
        /// Whoever writes.
        Anyone = "anyone",
        /// The team, by signature.
        Team = "team",
        /// Active members, by signature.
        Members = "members",
        /// The relay itself, on publication.
        Relay = "relay",
    }
    /// Whom an answer to a post goes to.
    ReplyTo {
        /// The team.
        Team = "team",
        /// The list.
        List = "list",
    }
    /// After what the reporter gets an answer.
    AckAfter {
        /// After receipt.
        Receipt = "receipt",
        /// After the team determined what it is.
        Determination = "determination",
    }
    /// What severity is measured by.
    SeverityBasis {
        /// What it does to those who run it.
        ActualImpact = "actual-impact",
        /// The CVSS score.
        Cvss = "cvss",
    }
    /// A version of CVSS.
    CvssVersion {
        /// CVSS 3.1.
        V31 = "3.1",
        /// CVSS 4.0.
        V40 = "4.0",
    }
    /// A level of severity.
    Level {
        /// Critical.
        Critical = "critical",
        /// High.
        High = "high",
        /// Medium.
        Medium = "medium",
        /// Low.
        Low = "low",
    }
    /// Where a report goes that is public already.
    PublicRoute {
        /// Published with a fix as soon as there is one.
        FastPublic = "fast-public",
        /// To the next meeting of the working group.
        NextWgMeeting = "next-wg-meeting",
    }
    /// What the team may decide about a report.
    Reaction {
        /// A fix is made now, in private.
        FixNow = "fix-now",
        /// A fix is made later, from the tracker.
        FixLater = "fix-later",
        /// Nothing but the report.
        ReportOnly = "report-only",
    }
    /// When the embargo's clock starts.
    ClockStart {
        /// When the report arrived.
        Receipt = "receipt",
    }
    /// Which proposal holds where parties differ.
    Negotiation {
        /// The shortest.
        ShortestWins = "shortest-wins",
    }
    /// What must be true before publication.
    Gate {
        /// There is a fix or a workaround.
        FixOrWorkaround = "fix-or-workaround",
        /// Known deployments had the chance to act.
        DeploymentsAlerted = "deployments-alerted",
    }
    /// A part of a notice.
    NoticeField {
        /// Date and time of publication, in UTC.
        DisclosureAtUtc = "disclosure-at-utc",
        /// What it is about.
        Summary = "summary",
        /// The patch, or where it is proposed.
        PatchOrPr = "patch-or-pr",
        /// A proof of concept or a way to reproduce.
        PocOrRepro = "poc-or-repro",
        /// What helps until then.
        Mitigation = "mitigation",
    }
    /// A part of a public announcement.
    AdvisoryField {
        /// The releases that have the fix.
        Releases = "releases",
        /// How severe it is.
        Severity = "severity",
        /// What it does.
        Impact = "impact",
        /// Where to get the binaries.
        BinariesLocation = "binaries-location",
        /// What helps without them.
        Mitigation = "mitigation",
    }
    /// A part of the report of a leak.
    BreachField {
        /// What was told.
        What = "what",
        /// To whom.
        ToWhom = "to-whom",
        /// What keeps it from happening again.
        Prevention = "prevention",
    }
    /// A format of the published report.
    ReportFormat {
        /// CVE JSON 5.
        CveJson5 = "cve-json-5",
        /// CSAF 2.0.
        Csaf20 = "csaf-2.0",
        /// OSV.
        Osv = "osv",
        /// A page to read.
        Html = "html",
    }
    /// How a fix is shipped.
    Route {
        /// In a release of its own, at once.
        DotRelease = "dot-release",
        /// In the next release.
        NextRelease = "next-release",
        /// In the next release, told in its notes.
        ReleaseNotes = "release-notes",
    }
    /// What happens to those whom a removed member vouched for.
    VoucherRemoved {
        /// Nothing.
        Keep = "keep",
        /// The team is told to look at them again.
        Review = "review",
        /// They are suspended until somebody else vouches.
        Suspend = "suspend",
    }
    /// Who fixes a dependency.
    FixOwner {
        /// Its own project.
        Upstream = "upstream",
        /// We do.
        Project = "project",
    }
}

/// The criteria that the relay knows by name.
pub const CRITERIA: [&str; 8] = [
    "monitored-alias",
    "external-user-base",
    "fix-track-record",
    "not-downstream",
    "active-contributor",
    "accept-embargo",
    "contribute-back",
    "vouched",
];
