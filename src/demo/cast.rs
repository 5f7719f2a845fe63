//! The people. All of them are made up, and so are their organisations; `.example` belongs to nobody (RFC 2606).

use std::time::Duration;

use super::trouble::Trouble;
use crate::pgp::person::{Person, Sort};
use crate::time::{Clock, Timestamp};

/// The domain of the demo's lists.
pub(super) const DOMAIN: &str = "lists.example.org";

/// Making a key of 4096 bits takes between one second and a minute; this one comes with the source text. It is public,
/// as its User ID and its armor say, and protects nothing but made-up mail.
const RSA4096: &[u8] = include_bytes!("rsa4096.asc");

/// How old the keys are that are made here.
const AGE: Duration = Duration::from_secs(24 * 3600);

/// Somebody in the play.
pub(super) struct Character {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    /// The key, in words.
    pub(super) key: &'static str,
    pub(super) person: Person,
}

/// A person and the organisation it is the contact of.
pub(super) struct Distributor {
    pub(super) org: &'static str,
    pub(super) contact: Character,
}

/// Everybody but the distributor whose certificate runs out.
pub(super) struct Cast {
    pub(super) team: [Character; 3],
    pub(super) distributors: Vec<Distributor>,
    pub(super) reporter: Character,
    pub(super) stranger: Character,
}

impl Cast {
    pub(super) fn gather(clock: &dyn Clock) -> Result<Self, Trouble> {
        let made_at = clock.now().before(AGE);
        let v4 = |name, address| Character::new(name, address, Sort::V4, made_at);
        let v6 = |name, address| Character::new(name, address, Sort::V6, made_at);
        let distributor = |org, contact| Distributor { org, contact };
        let granite = Character {
            name: "Granite OS PSIRT",
            address: "psirt@granite.example",
            key: "v4 RSA-4096",
            person: Person::import(RSA4096)?,
        };
        Ok(Self {
            team: [
                v4("Ada Berg", "ada@project.example")?,
                v4("Bao Linh", "bao@project.example")?,
                v6("Cem Okan", "cem@project.example")?,
            ],
            distributors: vec![
                distributor("alder", v4("Alder Linux PSIRT", "security@alder.example")?),
                distributor("granite", granite),
                distributor("mica", v6("Mica Cloud PSIRT", "vuln@mica.example")?),
            ],
            reporter: v4("Rosa Reyes", "rosa@reporter.example")?,
            stranger: v4("Mal Strand", "mal@elsewhere.example")?,
        })
    }

    /// The distributor whose certificate is about to expire: `left` from now, in whole seconds.
    pub(super) fn expiring(clock: &dyn Clock, left: Duration) -> Result<Distributor, Trouble> {
        let (name, address) = ("Slate Edge PSIRT", "psirt@slate.example");
        let (made_at, validity) = (clock.now().before(AGE), AGE.saturating_add(left));
        let person = Person::generate(name, address, Sort::V4, made_at, Some(validity))?;
        Ok(Distributor { org: "slate", contact: Character { name, address, key: "v4 Ed25519", person } })
    }

    /// Everybody who should get an announcement: distributors, then the team.
    pub(super) fn readers(&self) -> impl Iterator<Item = &Character> {
        self.distributors.iter().map(|d| &d.contact).chain(&self.team)
    }

    /// Everybody with a key.
    pub(super) fn all(&self) -> impl Iterator<Item = &Character> {
        self.readers().chain([&self.reporter, &self.stranger])
    }
}

impl Character {
    fn new(
        name: &'static str,
        address: &'static str,
        sort: Sort,
        made_at: Timestamp,
    ) -> Result<Self, Trouble> {
        let key = match sort {
            Sort::V4 => "v4 Ed25519",
            Sort::V6 => "v6 Ed25519",
        };
        Ok(Self { name, address, key, person: Person::generate(name, address, sort, made_at, None)? })
    }
}
