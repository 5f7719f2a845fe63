//! The published policies that come with the program, and the settings that an installation starts from.

use std::str::FromStr;

use crate::mail::address::Domain;

/// The one annotated settings file; its example lists give way to the preset's.
pub(super) const TEMPLATE: &str = include_str!("../../config/relay.toml");

/// A published policy that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// An intake list and a list of distributors.
    KubeEdge,
    /// An intake list and an openly archived list.
    EdgeX,
}

/// One list of a preset.
struct Seed {
    name: &'static str,
    display: &'static str,
}

impl Preset {
    /// Every preset, as written on the command line.
    pub const NAMES: [&'static str; 2] = ["kubeedge", "edgex"];

    /// Its name, which is also its file's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KubeEdge => "kubeedge",
            Self::EdgeX => "edgex",
        }
    }

    /// Its policy file.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::KubeEdge => include_str!("../../config/policies/kubeedge.toml"),
            Self::EdgeX => include_str!("../../config/policies/edgex.toml"),
        }
    }

    /// The text that its `[terms]` name, with its file's name.
    #[must_use]
    pub const fn terms(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::KubeEdge => {
                Some(("embargo-kubeedge.md", include_str!("../../config/policies/embargo-kubeedge.md")))
            }
            Self::EdgeX => None,
        }
    }

    const fn lists(self) -> [Seed; 2] {
        match self {
            Self::KubeEdge => [
                Seed { name: "security", display: "Security Team" },
                Seed { name: "distrib-announce", display: "Distributors" },
            ],
            Self::EdgeX => [
                Seed { name: "security-issues", display: "Security Issue Review Team" },
                Seed { name: "tsc-security", display: "TSC Security" },
            ],
        }
    }

    /// `relay.toml` for this preset: the template with the preset's lists, and `edits` of whole lines.
    pub(super) fn settings(self, domain: &Domain, edits: &[(&str, String)]) -> String {
        let head = TEMPLATE.split("\n[list.").next().unwrap_or(TEMPLATE);
        let mut text = String::new();
        for line in head.lines() {
            let edited = edits.iter().find(|(from, _)| *from == line).map_or(line, |(_, to)| to);
            text.push_str(edited);
            text.push('\n');
        }
        for Seed { name, display } in self.lists() {
            let policy = self.name();
            text.push_str(&format!(
                "\n[list.{name}]\naddress = \"{name}@{domain}\"\nname = \"{display}\"\npolicy = \"policies/{policy}.toml\"\n"
            ));
        }
        text
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "kubeedge" => Ok(Self::KubeEdge),
            "edgex" => Ok(Self::EdgeX),
            _ => Err(format!("\"{text}\" is not a preset, expected one of {}", Self::NAMES.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_example_lists_that_give_way() {
        assert!(TEMPLATE.contains("\n[list."));
    }

    #[test]
    fn presets_have_names() {
        for name in Preset::NAMES {
            assert_eq!(name.parse::<Preset>().unwrap().name(), name);
        }
        assert!("debian".parse::<Preset>().unwrap_err().contains("kubeedge, edgex"));
    }
}
