//! Small values of a policy file: a text that says something, and a channel of publication.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text with something in it. What is not set is left out of the file, never written as `""`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text(String);

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Text {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err("an empty text says nothing: leave the key out, or write one line of text");
        }
        Ok(Self(text))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a publication goes: `kind` or `kind:target`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Channel {
    /// `ghsa:OWNER/REPOSITORY`: a GitHub security advisory.
    Ghsa(String),
    /// `slack:#CHANNEL`: text to paste into a chat channel.
    Slack(String),
    /// `mail:LIST`: a public list of this policy.
    Mail(String),
    /// `site:PAGE`: a page of the project's site.
    Site(String),
    /// `wiki`: the project's wiki.
    Wiki,
    /// `patch-set`: the link in the patch set itself.
    PatchSet,
}

impl Channel {
    /// Every channel, as written in files.
    pub const FORMS: &'static str =
        "ghsa:OWNER/REPOSITORY, slack:#CHANNEL, mail:LIST, site:PAGE, wiki, patch-set";
}

impl TryFrom<String> for Channel {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let (kind, target) = text.split_once(':').unwrap_or((&text, ""));
        Ok(match (kind, target) {
            ("wiki", "") => Self::Wiki,
            ("patch-set", "") => Self::PatchSet,
            ("ghsa", repository) if repository.split('/').filter(|p| !p.is_empty()).count() == 2 => {
                Self::Ghsa(repository.to_owned())
            }
            ("slack", channel) if channel.starts_with('#') => Self::Slack(channel.to_owned()),
            ("mail", list) if !list.is_empty() => Self::Mail(list.to_owned()),
            ("site", page) if !page.is_empty() => Self::Site(page.to_owned()),
            _ => return Err(format!("\"{text}\" is not a channel, expected one of {}", Self::FORMS)),
        })
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Ghsa(target) => format!("ghsa:{target}"),
            Channel::Slack(target) => format!("slack:{target}"),
            Channel::Mail(target) => format!("mail:{target}"),
            Channel::Site(target) => format!("site:{target}"),
            Channel::Wiki => "wiki".to_owned(),
            Channel::PatchSet => "patch-set".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_read_back_and_others_are_told_the_forms() {
        for text in [
            "ghsa:kubeedge/kubeedge",
            "slack:#announcement",
            "mail:public",
            "site:landing",
            "wiki",
            "patch-set",
        ] {
            assert_eq!(String::from(Channel::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["", "irc:#x", "ghsa:kubeedge", "slack:announcement", "mail:", "wiki:x"] {
            assert!(Channel::try_from(text.to_owned()).unwrap_err().contains("patch-set"), "{text}");
        }
    }

    #[test]
    fn an_empty_text_is_refused() {
        assert!(Text::try_from(" ".to_owned()).is_err());
        assert_eq!(Text::try_from("tsc".to_owned()).unwrap().as_str(), "tsc");
    }
}
