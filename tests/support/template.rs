//! Templates of mails: text with blocks that are signed and encrypted when they are rendered, since signatures must be
//! fresh. A line feed in the text becomes CRLF; one behind a tag is swallowed.
//!
//! ```text
//! {{address security}}    the posting address of a list     {{byte E9}}     one octet
//! {{date}}                now, as a Date: value             {{line 4000}}   so many letters
//! {{key mallory}}         a certificate in base64           {{lf}}…{{end}}  bare line feeds stay
//! {{listid security}}     the List-Id of a list
//! {{encrypt to=security,mallory sign=ada form=pgpmime}}…{{end}}
//!     to       lists or people                   sign  people; left out: not signed
//!     form     pgpmime, armor, exchange          age   days since it was signed
//!     intended whom the signature is meant for   compress, hidden, v2, damage: switches
//!     gpg      gpg makes the ciphertext (and we do where it is not installed)
//! {{sign by=ada}}…{{end}}      multipart/signed around an entity
//! {{parts by=ada boundary=b}}…{{end}}  an entity, a delimiter, its signature: the header is the template's own
//! {{nest 30}}…{{end}}          so many multiparts around an entity
//! {{base64}}…{{end}}           the bytes in base64         {{qp}}…{{end}}      in quoted-printable
//! {{utf16}}…{{end}}            the text in UTF-16           {{flowed}}…{{end}}  each line between two spaces
//! {{spaced}}…{{end}}           an empty line behind each line
//! ```

use sequoia_openpgp as openpgp;

use openpgp::serialize::SerializeInto;

use super::forge::{
    By, Form, armored, compressed, crlf, detached, encrypted, exchange_mangled, multipart_encrypted,
    multipart_signed, signed, signed_parts,
};
use super::golden::Fixture;
use super::keys::DAY;

/// A mail that was made from a template.
pub(crate) struct Rendered {
    /// As it goes over the wire (lines end in CRLF, dots are not stuffed).
    pub(crate) raw: Vec<u8>,
    /// What was encrypted, of each outermost block.
    pub(crate) inside: Vec<Vec<u8>>,
}

/// A parsed template.
pub(crate) struct Template(Vec<Node>);

enum Node {
    Text(Vec<u8>),
    Tag(Tag),
    Block(Tag, Vec<Node>),
}

/// The words between the braces.
#[derive(Clone)]
struct Tag(Vec<String>);

const BLOCKS: [&str; 10] =
    ["encrypt", "sign", "parts", "nest", "lf", "base64", "qp", "utf16", "flowed", "spaced"];

impl Template {
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut rest = text;
        let nodes = parse(&mut rest, false);
        Self(nodes)
    }

    pub(crate) fn render(&self, fixture: &Fixture) -> Rendered {
        let mut inside = Vec::new();
        let raw = render(&self.0, fixture, false, &mut inside);
        Rendered { raw, inside }
    }
}

fn parse(rest: &mut &[u8], inside: bool) -> Vec<Node> {
    let mut nodes = Vec::new();
    loop {
        let Some(at) = super::reader::find(rest, b"{{") else {
            assert!(!inside, "a block without its {{{{end}}}}");
            nodes.push(Node::Text(rest.to_vec()));
            return nodes;
        };
        nodes.push(Node::Text(rest[..at].to_vec()));
        *rest = &rest[at + 2..];
        let end = super::reader::find(rest, b"}}").expect("a tag without its }}");
        let tag =
            Tag(std::str::from_utf8(&rest[..end]).unwrap().split_whitespace().map(Into::into).collect());
        *rest = &rest[end + 2..];
        if BLOCKS.contains(&tag.name()) || tag.name() == "end" {
            *rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        match tag.name() {
            "end" => {
                assert!(inside, "{{{{end}}}} of nothing");
                return nodes;
            }
            name if BLOCKS.contains(&name) => nodes.push(Node::Block(tag, parse(rest, true))),
            _ => nodes.push(Node::Tag(tag)),
        }
    }
}

fn render(nodes: &[Node], fixture: &Fixture, unix: bool, inside: &mut Vec<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    for node in nodes {
        match node {
            Node::Text(text) if unix => out.extend_from_slice(text),
            Node::Text(text) => out.extend(crlf(text)),
            Node::Tag(tag) => out.extend(tag.render(fixture)),
            Node::Block(tag, inner) => {
                let before = inside.len();
                let content = render(inner, fixture, unix || tag.name() == "lf", inside);
                if tag.name() == "encrypt" {
                    inside.truncate(before);
                    inside.push(content.clone());
                }
                out.extend(tag.render_block(&content, fixture));
            }
        }
    }
    out
}

impl Tag {
    fn name(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The only word behind the name.
    fn word(&self) -> &str {
        assert_eq!(self.0.len(), 2, "{:?} takes one word", self.0);
        &self.0[1]
    }

    /// The values of `key=a,b`; none when it is not there.
    fn values(&self, key: &str) -> Vec<&str> {
        let value = self.0.iter().find_map(|w| w.strip_prefix(key).and_then(|w| w.strip_prefix('=')));
        value.map_or_else(Vec::new, |v| v.split(',').collect())
    }

    fn has(&self, switch: &str) -> bool {
        self.0.iter().any(|w| w == switch)
    }

    fn render(&self, fixture: &Fixture) -> Vec<u8> {
        match self.name() {
            "address" => fixture.lists[self.word()].address.clone().into_bytes(),
            "listid" => fixture.lists[self.word()].address.replace('@', ".").into_bytes(),
            "date" => fixture.at.rfc5322().into_bytes(),
            "byte" => vec![u8::from_str_radix(self.word(), 16).unwrap()],
            "line" => vec![b'x'; self.word().parse().unwrap()],
            "key" => {
                let cert = fixture.people[self.word()].clone().strip_secret_key_material().to_vec().unwrap();
                base64_simd::STANDARD.encode_to_string(cert).into_bytes()
            }
            other => panic!("no tag {other:?}"),
        }
    }

    fn render_block(&self, content: &[u8], fixture: &Fixture) -> Vec<u8> {
        match self.name() {
            "encrypt" => self.encrypt(content, fixture),
            "sign" => {
                let by = self.signers("by", fixture);
                multipart_signed(content, &detached(content, &by[0]))
            }
            "parts" => {
                let by = self.signers("by", fixture);
                signed_parts(content, &detached(content, &by[0]), self.values("boundary")[0])
            }
            "nest" => nest(content, self.word().parse().unwrap()),
            "base64" => {
                let text = base64_simd::STANDARD.encode_to_string(content);
                text.as_bytes().chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect()
            }
            "qp" => quoted_printable(content),
            "utf16" => {
                let text = std::str::from_utf8(content).unwrap();
                "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
            }
            "flowed" => each_line(content, |line| [b" ", line, b" \r\n"].concat()),
            "spaced" => each_line(content, |line| [line, b"\r\n\r\n"].concat()),
            _ => content.to_vec(),
        }
    }

    fn signers<'f>(&self, key: &str, fixture: &'f Fixture) -> Vec<By<'f>> {
        let age: u32 = self.values("age").first().map_or(0, |days| days.parse().unwrap());
        let intended = self.values("intended").first().map(|name| fixture.cert(name));
        let by = |name: &&str| By { key: &fixture.people[*name], at: fixture.at.before(DAY * age), intended };
        self.values(key).iter().map(by).collect()
    }

    fn encrypt(&self, content: &[u8], fixture: &Fixture) -> Vec<u8> {
        if self.has("gpg") {
            assert_eq!(self.values("form"), ["armor"], "gpg writes armor");
            let written = fixture.pen.write(content, &self.values("to"), &self.values("sign"), fixture);
            if let Some(armor) = written {
                return armor;
            }
        }
        let mut packets = signed(content, &self.signers("sign", fixture));
        if self.has("compress") {
            packets = compressed(&packets);
        }
        let to: Vec<_> = self.values("to").iter().map(|name| fixture.cert(name).clone()).collect();
        let form = Form { v2: self.has("v2"), hidden: self.has("hidden") };
        let mut message = encrypted(&packets, &to, fixture.at, form);
        if self.has("damage") {
            // Behind a flipped bit up to 31 octets are garbled (CFB): all inside the text, so that every packet keeps
            // its head and only the MDC, the last 22 octets, tells.
            assert!(content.len() >= 32 && !form.v2, "a text that is long enough, in SEIPD version 1");
            let text = super::reader::find(&packets, content).unwrap();
            let at = message.len() - 22 - packets.len() + text;
            message[at] ^= 1;
        }
        let armor = armored(&message);
        match self.values("form").first().copied().unwrap_or("pgpmime") {
            "pgpmime" => multipart_encrypted(&armor),
            "exchange" => exchange_mangled(&armor),
            "armor" => armor,
            other => panic!("no form {other:?}"),
        }
    }
}

fn each_line(content: &[u8], write: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(content.to_vec()).unwrap();
    text.lines().flat_map(|line| write(line.as_bytes())).collect()
}

/// RFC 2045 §6.7: equals signs, and lines no longer than 76.
fn quoted_printable(content: &[u8]) -> Vec<u8> {
    each_line(content, |line| {
        let mut out = Vec::new();
        for byte in line {
            match byte {
                b'=' => out.extend_from_slice(b"=3D"),
                _ => out.push(*byte),
            }
        }
        assert!(out.len() <= 76, "lines that need no soft break");
        out.extend_from_slice(b"\r\n");
        out
    })
}

fn nest(content: &[u8], depth: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for level in 0..depth {
        let head = format!("Content-Type: multipart/mixed; boundary=\"n{level}x\"\r\n\r\n--n{level}x\r\n");
        out.extend(head.into_bytes());
    }
    out.extend_from_slice(content);
    for level in (0..depth).rev() {
        out.extend(format!("\r\n--n{level}x--\r\n").into_bytes());
    }
    out
}
