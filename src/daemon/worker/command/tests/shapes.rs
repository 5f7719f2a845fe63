//! Mails that hold a token and command nothing, and one that does.

use std::io::Write as _;

use sequoia_openpgp as openpgp;

use openpgp::serialize::stream::{Message, Signer};
use openpgp::types::HashAlgorithm;

use super::office::{DORA, LIST, NOW, Office};
use super::support::forge::{By, Form, crlf, detached, encrypted, mail, multipart_signed, signed};
use super::support::keys::{as_openpgp, signing_pair};
use crate::id::{Entropy, Token};
use crate::relay::command::WORD;

/// In which a token comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    /// As its owner answers.
    Own,
    /// The same, and it says nothing else.
    OwnAlone,
    Quoted,
    /// In a mail that is forwarded as an attachment.
    Forwarded,
    HtmlAlone,
    Attached,
    /// Behind the subject's words.
    InTheSubject,
    /// In a text that somebody else signed by itself.
    InAnothersBlock,
    /// In a text that the owner signed by itself, in a mail.
    InABlock,
    /// In the text around the ciphertext.
    InTheClear,
    ByAnother,
    ByAStranger,
    Unsigned,
    ToAnotherList,
    /// Beside another token.
    BesideAnother,
    Used,
    Expired,
    Replaced,
}

impl Shape {
    /// The token that a mail of this shape holds.
    pub(super) fn token(self) -> Token {
        Token::random(&Entropy::seeded(1 + self as u64))
    }
}

/// All but the owner's.
pub(super) const SHAPES: [Shape; 16] = [
    Shape::Quoted,
    Shape::Forwarded,
    Shape::HtmlAlone,
    Shape::Attached,
    Shape::InTheSubject,
    Shape::InAnothersBlock,
    Shape::InABlock,
    Shape::InTheClear,
    Shape::ByAnother,
    Shape::ByAStranger,
    Shape::Unsigned,
    Shape::ToAnotherList,
    Shape::BesideAnother,
    Shape::Used,
    Shape::Expired,
    Shape::Replaced,
];

impl Office {
    /// A mail of this shape to a list's address for requests: it says something besides.
    pub(super) fn mail(&self, shape: Shape, owner: &str, token: &Token) -> Vec<u8> {
        let command = format!("{WORD} {}", token.as_str());
        let entity = self.entity(shape, owner, &command);
        let by = |name: &str| By { key: &self.people[name].key, at: NOW, intended: None };
        // Somebody else of the same list, who could have a token like it.
        let other = if owner == DORA { "emil" } else { "bob" };
        let signers = match shape {
            Shape::ByAnother => vec![by(other)],
            Shape::ByAStranger => vec![by("mallory")],
            Shape::Unsigned => Vec::new(),
            _ => vec![by(owner)],
        };
        let list = if shape == Shape::ToAnotherList { "security" } else { LIST };
        let subject = if shape == Shape::InTheSubject { command.as_str() } else { "..." };
        let fields = format!(
            "From: {owner}@{owner}.example\r\nTo: {list}-request@lists.example\r\nSubject: {subject}\r\n\
             Message-ID: <{}@{owner}.example>\r\n",
            token.as_str()
        );
        if shape == Shape::InTheClear {
            let part = multipart_signed(&entity, &detached(&entity, &signers[0]));
            return [fields.as_bytes(), b"MIME-Version: 1.0\r\n", &part].concat();
        }
        let to = [as_openpgp(self.keys.list(&list.parse().unwrap()).unwrap().cert())];
        mail(&fields, &encrypted(&signed(&entity, &signers), &to, NOW, Form::default()))
    }

    /// A mail that hands in somebody's certificate with the token of [`Shape::Own`], signed by these.
    pub(super) fn hand_in(&self, whose: &str, signers: &[&str]) -> Vec<u8> {
        let armor = crlf(self.people[whose].cert().armored().as_bytes());
        let text = format!("Content-Type: text/plain\r\n\r\n{WORD} {}\r\n", Shape::Own.token().as_str());
        let head = "Content-Type: multipart/mixed; boundary=mix\r\n\r\n--mix\r\n";
        let middle = "\r\n--mix\r\nContent-Type: application/pgp-keys\r\n\r\n";
        let entity =
            [head.as_bytes(), text.as_bytes(), middle.as_bytes(), &armor, b"\r\n--mix--\r\n"].concat();
        let by = |name: &&str| By { key: &self.people[*name].key, at: NOW, intended: None };
        let signers: Vec<By<'_>> = signers.iter().map(by).collect();
        let to = [as_openpgp(self.keys.list(&LIST.parse().unwrap()).unwrap().cert())];
        let fields = "From: dora@dora.example\r\nTo: distrib-request@lists.example\r\nSubject: ...\r\n";
        mail(fields, &encrypted(&signed(&entity, &signers), &to, NOW, Form::default()))
    }

    fn entity(&self, shape: Shape, owner: &str, command: &str) -> Vec<u8> {
        const WORDS: &str = "It leaks.\r\n";
        let text = |text: &str| format!("Content-Type: text/plain\r\n\r\n{text}\r\n{WORDS}").into_bytes();
        let beside = |part: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=mix\r\n\r\n--mix\r\nContent-Type: text/plain\r\n\r\n{WORDS}\r\n\
                 --mix\r\n{part}\r\n--mix--\r\n"
            )
            .into_bytes()
        };
        match shape {
            Shape::OwnAlone => format!("Content-Type: text/plain\r\n\r\n{command}\r\n").into_bytes(),
            Shape::Quoted => text(&format!("Ada wrote:\r\n> {command}\r\n")),
            Shape::Forwarded => beside(&format!(
                "Content-Type: message/rfc822\r\n\r\nSubject: x\r\nContent-Type: text/plain\r\n\r\n{command}\r\n"
            )),
            Shape::HtmlAlone => {
                format!("Content-Type: text/html\r\n\r\n<p>{WORDS}\r\n{command}\r\n</p>\r\n").into_bytes()
            }
            Shape::Attached => beside(&format!(
                "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\n{command}\r\n"
            )),
            Shape::InTheSubject => format!(
                "Content-Type: text/plain; protected-headers=\"v1\"\r\nSubject: {command}\r\n\r\n{WORDS}"
            )
            .into_bytes(),
            Shape::InAnothersBlock => text(&self.clearsigned("mallory", command)),
            Shape::InABlock => text(&self.clearsigned(owner, command)),
            Shape::BesideAnother => text(&format!("{command}\r\n{WORD} {}\r\n", "z".repeat(26))),
            _ => text(command),
        }
    }

    /// A text with a signature of its own around it (RFC 9580 §7).
    fn clearsigned(&self, by: &str, text: &str) -> String {
        let mut out = Vec::new();
        let signer = Signer::new(Message::new(&mut out), signing_pair(&self.people[by].key, NOW)).unwrap();
        let signer = signer.hash_algo(HashAlgorithm::SHA512).unwrap().creation_time(NOW.system());
        let mut layer = signer.cleartext().build().unwrap();
        layer.write_all(format!("{text}\n").as_bytes()).unwrap();
        layer.finalize().unwrap();
        String::from_utf8(crlf(&out)).unwrap()
    }
}
