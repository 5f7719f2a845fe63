//! Golden mails: one folder each under `tests/mail/`, with the mail as a template, what is to become of it, and why it
//! is there. Rendering needs only keys, so that the same mails can also be sent to a running daemon.

use std::collections::BTreeMap;
use std::path::Path;

use sequoia_openpgp as openpgp;
use serde::Deserialize;
use vouchsafe::pgp::cert::Cert;
use vouchsafe::time::Timestamp;

use super::pen::Pen;
use super::reader::{Read, find, packets, read_copy};
use super::template::{Rendered, Template};

/// What golden mails are rendered with.
pub(crate) struct Fixture {
    /// The present: signatures are made now.
    pub(crate) at: Timestamp,
    /// Lists by name: `security` and `distrib`.
    pub(crate) lists: BTreeMap<String, FixtureList>,
    /// People by name, with their secret keys: `ada` and `bob` of the team, `mallory` whom nobody knows, and others.
    pub(crate) people: BTreeMap<String, openpgp::Cert>,
    pub(crate) pen: Pen,
}

/// A list as its writers see it.
pub(crate) struct FixtureList {
    pub(crate) address: String,
    pub(crate) cert: openpgp::Cert,
}

impl Fixture {
    /// The certificate of a list or a person.
    pub(crate) fn cert(&self, name: &str) -> &openpgp::Cert {
        let list = self.lists.get(name).map(|list| &list.cert);
        list.or_else(|| self.people.get(name)).unwrap_or_else(|| panic!("nobody is called {name:?}"))
    }
}

/// One golden mail.
pub(crate) struct Golden {
    pub(crate) name: String,
    /// Why it exists, in one line.
    pub(crate) why: String,
    pub(crate) expect: Expect,
    template: Template,
}

/// What is to become of a golden mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Which list it is sent to.
    pub(crate) list: String,
    pub(crate) outcome: Outcome,
    /// What the session says to it; `outcome` is what becomes of it where it comes in by another way.
    #[serde(default)]
    pub(crate) smtp: Smtp,
    /// The name of the reason to hold or drop it.
    pub(crate) reason: Option<String>,
    /// The name of the verdict on its signature, of a post.
    pub(crate) verdict: Option<String>,
    /// `pgp-mime`, `inline`, `clear` or `closed:` and why. Left out: its structure is beyond the limits.
    pub(crate) how: Option<String>,
    /// Who signed it, of a post: a person's name.
    pub(crate) signer: Option<String>,
    /// The Subject that readers see.
    pub(crate) subject: Option<String>,
    /// The name in the From that readers see.
    pub(crate) from: Option<String>,
    /// What stands in the part that was sent, as readers get it: text, or `hex:` and octets.
    #[serde(default)]
    pub(crate) contains: Vec<String>,
    /// Likewise, but no secret: the marks of ciphertext.
    #[serde(default)]
    pub(crate) holds: Vec<String>,
    /// The type of that part.
    pub(crate) payload: Option<String>,
    /// Its disposition.
    pub(crate) disposition: Option<String>,
    /// What stands in the text that came in front in the clear, attached as a file. Left out: no such file is there.
    pub(crate) beside: Option<String>,
    /// What stands in the relay's note.
    #[serde(default)]
    pub(crate) note: Vec<String>,
    /// What must not stand there.
    #[serde(default)]
    pub(crate) note_lacks: Vec<String>,
    /// What must not be seen outside the encryption, besides `subject`, `from` and `contains`.
    #[serde(default)]
    pub(crate) hidden: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Post,
    Hold,
    Drop,
}

/// The answer at the end of DATA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Smtp {
    #[default]
    Taken,
    /// 550: by its outer structure it is not encrypted, and the list takes nothing else.
    Refused,
}

/// All golden mails, by name.
pub(crate) fn load_all() -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail");
    let mut folders: Vec<_> = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().map(|folder| load(folder)).collect()
}

fn load(folder: &Path) -> Golden {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let read = |file: &str| {
        let path = folder.join(file);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let why = String::from_utf8(read("why.txt")).unwrap().trim().to_owned();
    assert!(!why.is_empty() && !why.contains('\n'), "{name}/why.txt is one line");
    let expect = String::from_utf8(read("expect.toml")).unwrap();
    let expect = toml::from_str(&expect).unwrap_or_else(|e| panic!("{name}/expect.toml: {e}"));
    Golden { template: Template::parse(&read("mail.eml.tmpl")), name, why, expect }
}

impl Golden {
    /// The mail, and what it holds.
    pub(crate) fn render(&self, fixture: &Fixture) -> Rendered {
        self.template.render(fixture)
    }

    /// What must be seen nowhere outside the encryption.
    fn secrets(&self) -> Vec<Vec<u8>> {
        let Expect { subject, from, contains, hidden, .. } = &self.expect;
        let name = from.iter().filter(|name| !name.starts_with("Unknown sender"));
        let all = subject.iter().chain(name).chain(contains).chain(hidden);
        all.map(|text| wanted(text)).collect()
    }

    /// Opens a copy as it stands on the wire with its reader's key, and compares it with what is expected: what was
    /// sent is inside byte for byte, and outside the encryption nothing of it is seen.
    pub(crate) fn check_wire(
        &self,
        wire: &[u8],
        sent: &Rendered,
        reader: &openpgp::Cert,
        list: &Cert,
        now: Timestamp,
    ) {
        let name = &self.name;
        let read = read_copy(wire, reader, list, now);
        let read = read.unwrap_or_else(|| panic!("{name}: {} cannot open it", reader.fingerprint()));
        self.check_copy(&read);
        // What was not opened is passed on as the whole mail.
        let whole = match (self.expect.how.as_deref(), sent.inside.as_slice()) {
            (Some("pgp-mime" | "inline"), [inside]) => inside,
            _ => &sent.raw,
        };
        assert!(read.holds(whole), "{name}: what was sent is not there byte for byte");
        // What was opened is the last of its part, and outside it stands at most a header of the relay's.
        if let ([inside], false) = (sent.inside.as_slice(), self.expect.how.as_deref() == Some("clear"))
            && std::ptr::eq(whole, inside)
            && self.expect.disposition.is_none()
        {
            let front = read.payload.strip_suffix(inside.as_slice());
            let front = front.unwrap_or_else(|| panic!("{name}: something is joined with what was sent"));
            let header = b"Content-Transfer-Encoding: 8bit\r\n\r\n";
            assert!(front.is_empty() || front.ends_with(header), "{name}: something stands before it");
        }
        for secret in self.secrets() {
            for (what, bytes) in [("copy", wire), ("packets", &packets(wire))] {
                let seen = find(bytes, &secret).is_some();
                assert!(!seen, "{name}: {:?} is seen in the {what}", String::from_utf8_lossy(&secret));
            }
        }
    }

    fn check_copy(&self, read: &Read) {
        let (name, expect) = (&self.name, &self.expect);
        if let Some(subject) = &expect.subject {
            assert_eq!(read.subject(), *subject, "{name}: Subject");
        }
        if let Some(from) = &expect.from {
            assert_eq!(read.author_name(), *from, "{name}: From");
        }
        if let Some(ctype) = &expect.payload {
            assert_eq!(read.payload_type(), *ctype, "{name}: payload");
        }
        if let Some(disposition) = &expect.disposition {
            assert_eq!(read.payload_disposition().as_ref(), Some(disposition), "{name}: disposition");
        }
        for text in expect.contains.iter().chain(&expect.holds) {
            let found = find(&read.payload, &wanted(text)).is_some();
            assert!(found, "{name}: {text:?} is not in {}", String::from_utf8_lossy(&read.payload));
        }
        let beside = read.beside.as_ref().map(|text| find(text, expect.beside.as_ref()?.as_bytes()));
        match (&expect.beside, beside) {
            (None, None) => {}
            (Some(text), Some(found)) => assert!(found.is_some(), "{name}: {text:?} is not set apart"),
            _ => panic!("{name}: a text set apart: {}", read.beside.is_some()),
        }
        for text in &expect.note {
            assert!(read.note.contains(text), "{name}: {text:?} is not in the note:\n{}", read.note);
        }
        for text in &expect.note_lacks {
            assert!(!read.note.contains(text), "{name}: {text:?} is in the note:\n{}", read.note);
        }
    }
}

/// Text, or octets behind `hex:`.
fn wanted(text: &str) -> Vec<u8> {
    match text.strip_prefix("hex:") {
        Some(hex) => data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap(),
        None => text.as_bytes().to_vec(),
    }
}
