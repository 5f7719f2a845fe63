//! The probe: whether somebody's program reads SEIPD version 2, asked in a mail that only such a program opens.

use crate::id::{Entropy, Token};
use crate::mail::tags::Tags;
use crate::pgp::cert::{Cert, CertProblem, Format};
use crate::pgp::keyring::ListKey;
use crate::pgp::seal::{Reader, SealError};
use crate::relay::command::WORD;
use crate::relay::letter::{Letter, Words};
use crate::relay::world::List;
use crate::roster::membership::Member;
use crate::time::Timestamp;

/// Who is asked, and how the answer is known.
pub struct Probe<'a> {
    /// The list that asks.
    pub list: &'a List,
    /// Who is asked.
    pub member: &'a Member,
    /// What is to be in the answer.
    pub token: &'a Token,
    /// When it is written.
    pub at: Timestamp,
    /// Until when an answer counts.
    pub until: Timestamp,
}

impl Probe<'_> {
    /// The mail, in SEIPD version 2 whatever else the member gets; or why the certificate cannot be used.
    ///
    /// # Errors
    /// When signing or sealing fails for another reason.
    pub fn seal(
        &self,
        cert: &Cert,
        key: &ListKey,
        tags: &Tags<'_>,
        entropy: &Entropy,
    ) -> Result<Result<Letter, CertProblem>, SealError> {
        let words = Words {
            list: self.list,
            to: &self.member.address,
            answer_to: "-request",
            subject: "Please answer: can you read this?".to_owned(),
            text: self.text(),
            at: self.at,
        };
        words.seal(Reader { cert, format: Some(Format::V2) }, key, tags, entropy)
    }

    /// The token and the word before it stand apart: quoted without a mark, they are no command.
    fn text(&self) -> String {
        let Self { list, member, token, until, .. } = self;
        let request = list.address.with_suffix("-request").unwrap_or_else(|_| list.address.clone());
        format!(
            "The list {}\n({})\nasks whether your mail program reads the newer OpenPGP message format\n\
             (RFC 9580, SEIPD version 2). Your certificate says so; some programs say so\n\
             and cannot. This mail is in that format: you can read it.\n\n\
             To get your copies in that format from now on, answer this mail to\n\n    {request}\n\n\
             encrypted, and signed with your key\n\n    {}\n\n\
             Write, on a line of its own, the word {WORD}, a space, and these 26\n\
             letters and digits:\n\n    {}\n\n\
             They count once, from you, until {until}.\n\
             You get no further mail about it. Whoever does not answer gets copies as\nbefore.\n",
            list.title,
            list.address,
            member.fingerprint,
            token.as_str(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Fingerprint;
    use crate::mail::directory::Kind;
    use crate::relay::command::said;
    use crate::roster::membership::{Role, Standing};

    #[test]
    fn the_question_is_no_answer_to_itself() {
        let address: crate::mail::address::Address = "distrib@lists.example".parse().unwrap();
        let list = List {
            name: "distrib".parse().unwrap(),
            title: "Distribution".to_owned(),
            address: address.clone(),
            answer_to: address.clone(),
            kind: Kind::Announce,
            team: None,
            individual: false,
        };
        let member = Member {
            id: "m-1".parse().unwrap(),
            address,
            fingerprint: Fingerprint::V4([7; 20]),
            role: Role::Contact { org: "acme".parse().unwrap() },
            standing: Standing::Active,
            since: Timestamp::from_secs(0),
            format: None,
        };
        let token = Token::random(&Entropy::seeded(1));
        let at = Timestamp::from_secs(0);
        let probe = Probe { list: &list, member: &member, token: &token, at, until: at };
        let text = probe.text();
        assert!(text.contains(token.as_str()) && text.contains("distrib-request@lists.example"), "{text}");
        assert_eq!(said(text.as_bytes()), None, "not even where a program quotes it without a mark");
        assert!(text.lines().all(|line| line.len() < 80), "{text}");
    }
}
