//! A policy preset as typed data: lists, clocks, criteria, quorums. One file says what a project's published policy
//! says; nothing of any project is built in.
//!
//! [`Policy::parse`] refuses unknown keys and values, [`Policy::lint`] finds rules that cannot be kept together, and
//! [`Policy::without_effect`] names the keys that this release reads but does not act on.

pub mod duration;
mod effect;
mod file;
mod lint;
mod sections;
mod terms;
mod text;
mod words;

pub use self::file::Policy;
pub use self::lint::{Finding, Severity};
pub use self::sections::*;
pub use self::terms::{Terms, TermsText, TextHash};
pub use self::text::{Channel, Text};
pub use self::words::*;

impl Policy {
    /// Everything in this policy that cannot be kept, or that its authors should know, worst first.
    #[must_use]
    pub fn lint(&self) -> Vec<Finding> {
        lint::lint(self)
    }

    /// The keys of this policy that are read but change nothing in this release.
    #[must_use]
    pub fn without_effect(&self) -> Vec<&'static str> {
        effect::without_effect(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "[policy]\nid = \"x\"\nversion = \"1\"\n";

    #[test]
    fn what_is_not_said_is_absent() {
        let policy = Policy::parse(SMALLEST).unwrap();
        assert_eq!(policy.embargo, Embargo::default());
        assert_eq!(policy.team.min, None);
        assert!(policy.lint().is_empty(), "{:?}", policy.lint());
    }

    #[test]
    fn zero_and_empty_are_refused() {
        for wrong in [
            "[embargo]\nmin_days = 0",
            "[team]\nterm = \"\"",
            "[tracker]\nlabel = \"\"",
            "[intake]\nack_remind_at = \"0h\"",
        ] {
            assert!(Policy::parse(&format!("{SMALLEST}{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn unknown_keys_and_values_are_told_what_is_allowed() {
        let told = |text: &str| Policy::parse(&format!("{SMALLEST}{text}")).unwrap_err().message().to_owned();
        let key = told("[embargo]\nmaxdays = 3");
        assert!(key.contains("`maxdays`") && key.contains("`max_days`"), "{key}");
        let value = told("[list.a]\nkind = \"secret\"");
        assert!(value.contains("`secret`") && value.contains("`announce`"), "{value}");
        let clock = told("[breach]\nreport_deadline = \"soon\"");
        assert!(clock.contains("\"soon\"") && clock.contains("24h"), "{clock}");
    }

    #[test]
    fn a_policy_writes_and_reads_back() {
        let text = format!("{SMALLEST}[embargo]\nmin_days = 1\n[notify.all]\nfirst_notice_min = \"7d\"\n");
        let policy = Policy::parse(&text).unwrap();
        assert_eq!(Policy::parse(&toml::to_string(&policy).unwrap()).unwrap(), policy);
    }
}
