//! What `check` found, for people and for programs.

use std::fmt;

use serde::Serialize;

use crate::policy::Severity;

/// sysexits.h: the configuration is wrong.
const EX_CONFIG: u8 = 78;

/// One thing that the admin should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where: a place in a file, a path, or what of the machine it is about.
    #[serde(rename = "where")]
    pub place: String,
    /// What is the matter.
    pub what: String,
    /// What to do about it; empty when nothing has to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// Everything that was found, worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(
        &mut self,
        severity: Severity,
        place: impl fmt::Display,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (what, remedy) = (what.into(), remedy.into());
        self.findings.push(Finding { severity, place: place.to_string(), what, remedy });
    }

    pub(super) fn error(
        &mut self,
        place: impl fmt::Display,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Error, place, what, remedy);
    }

    pub(super) fn warn(
        &mut self,
        place: impl fmt::Display,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Warning, place, what, remedy);
    }

    pub(super) fn note(
        &mut self,
        place: impl fmt::Display,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(Severity::Note, place, what, remedy);
    }

    pub(super) fn sorted(mut self) -> Self {
        self.findings.sort_by_key(|f| f.severity);
        self
    }

    /// How many findings are this severe.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }

    /// The exit code (sysexits.h): 78 with errors, else 0, also with warnings.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.count(Severity::Error) > 0 { EX_CONFIG } else { 0 }
    }

    /// The report for programs: `{"findings": […], "errors": 0, "warnings": 1, "notes": 2}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "findings": &self.findings,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "notes": self.count(Severity::Note),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { severity, place, what, remedy } in &self.findings {
            writeln!(f, "{severity}: {place}: {what}")?;
            if !remedy.is_empty() {
                writeln!(f, "  -> {remedy}")?;
            }
        }
        let count = |severity, word| {
            let n = self.count(severity);
            format!("{n} {word}{}", if n == 1 { "" } else { "s" })
        };
        let (errors, warnings) = (count(Severity::Error, "error"), count(Severity::Warning, "warning"));
        writeln!(f, "{errors}, {warnings}, {}", count(Severity::Note, "note"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_programs_read_the_same() {
        let mut report = Report::default();
        report.note("a", "is so", "");
        report.error("b", "is wrong", "mend it");
        let report = report.sorted();
        assert_eq!(
            report.to_string(),
            "error: b: is wrong\n  -> mend it\nnote: a: is so\n1 error, 0 warnings, 1 note\n"
        );
        let json = report.to_json();
        assert_eq!(json["findings"][0]["where"], "b");
        assert_eq!(json["findings"][0]["severity"], "error");
        assert_eq!((json["errors"].as_u64(), json["notes"].as_u64()), (Some(1), Some(1)));
    }

    #[test]
    fn only_errors_fail() {
        let mut report = Report::default();
        report.warn("a", "may be wrong", "look");
        assert_eq!(report.exit_code(), 0);
        report.error("a", "is wrong", "mend it");
        assert_eq!(report.exit_code(), 78);
    }
}
