//! What an import is made from: a directory whose manifest somebody signed, or what another program's list offers.

use std::collections::BTreeMap;

use crate::control::desk::Desk;
use crate::control::desk::refusal::Refused;
use crate::control::wire::{Certificate, ErrorKind, Offer, OfferRow, PlanItem, RosterFile, RosterSource};
use crate::id::{Fingerprint, ListName};
use crate::mail::directory::Kind;
use crate::pgp::cert::Cert;
use crate::pgp::ring::Ring;
use crate::pgp::text::{TextSignature, signature_of};
use crate::roster::exchange::difference::Scope;
use crate::roster::exchange::offer::Offered;
use crate::roster::exchange::{Files, Portable, directory, manifest};
use crate::roster::membership::Role;
use crate::time::Timestamp;

/// A roster that is wanted.
pub(super) struct Wanted {
    pub(super) whose: Whose,
    pub(super) scope: Scope,
    /// Certificates that came along.
    pub(super) certs: BTreeMap<Fingerprint, Cert>,
    /// What is left out, whatever the roster here is.
    pub(super) left: Vec<PlanItem>,
    /// The journal's reason.
    pub(super) reason: String,
    /// Whether who was removed or suspended here may be active again by it.
    pub(super) bring_back: bool,
    /// When it was signed.
    pub(super) made_at: Option<Timestamp>,
    pub(super) remarks: Vec<String>,
}

/// What is wanted.
pub(super) enum Whose {
    /// Exactly this.
    Export(Portable),
    /// These too.
    Others(Vec<Offered>),
}

impl Desk {
    pub(super) fn wanted(&self, source: RosterSource) -> Result<Wanted, Refused> {
        match source {
            RosterSource::Directory { files, signer } => self.export_of(files, signer.as_ref()),
            RosterSource::Offer(offer) => self.offer_of(&offer),
        }
    }

    fn export_of(&self, files: Vec<RosterFile>, signer: Option<&Certificate>) -> Result<Wanted, Refused> {
        let (mut manifest, mut signatures, mut content) = (None, Vec::new(), Files::new());
        for RosterFile { path, text } in files {
            match path.strip_prefix(manifest::NAME) {
                Some("") => manifest = Some(text),
                Some(_) => signatures.push(text),
                None => _ = content.insert(path, text),
            }
        }
        let unsigned = |why: &str| {
            let next = "import what `roster export` wrote, unchanged; a signature of another relay counts with --signed-by FILE";
            Refused::new(ErrorKind::Data, "nothing was imported", why, next)
        };
        let manifest = manifest.ok_or_else(|| unsigned("there is no MANIFEST"))?;
        let others = signer.map(|cert| Cert::import(&cert.0)).transpose()?;
        let signature = self.signature(&manifest, &signatures, others.as_slice()).ok_or_else(|| {
            unsigned("no signature of its MANIFEST is by the key of a list here, or by one that was named")
        })?;
        // Before anything in it is believed.
        manifest::check(&manifest, &content).map_err(|differs| unsigned(&differs.to_string()))?;
        let portable = directory::parse(&content)?;
        let mut certs = BTreeMap::new();
        for (fingerprint, armored) in &portable.certs {
            let cert = Cert::import(armored.as_bytes())?;
            if cert.fingerprint() != *fingerprint {
                return Err(unsigned(&format!("the file of certificate {fingerprint} has another one")));
            }
            certs.insert(*fingerprint, cert);
        }
        let digest = manifest::digest(&manifest);
        let TextSignature { signer, made_at } = signature;
        Ok(Wanted {
            scope: if portable.whole { Scope::Whole } else { Scope::Lists },
            whose: Whose::Export(portable),
            certs,
            left: Vec::new(),
            reason: format!("import of the roster with manifest {digest}, signed by {signer}"),
            bring_back: false,
            made_at: Some(made_at),
            remarks: vec![format!("it was signed by {signer} at {made_at}")],
        })
    }

    fn signature(&self, manifest: &str, signatures: &[String], others: &[Cert]) -> Option<TextSignature> {
        // Those of today: a key that was replaced may have been stolen, and counts only where it is named.
        let keys: Vec<_> = self.lists.iter().filter_map(|list| self.keys.list(&list.name)).collect();
        let certs: Vec<&Cert> = keys.iter().map(|key| key.cert()).chain(others).collect();
        let by = |armored: &String| signature_of(manifest, armored, &certs, self.clock.now());
        signatures.iter().filter_map(by).max_by_key(|signature| signature.made_at)
    }

    fn offer_of(&self, offer: &Offer) -> Result<Wanted, Refused> {
        let mut ring = Ring::default();
        let mut remarks = Vec::new();
        for cert in &offer.certs {
            if let Err(error) = ring.add(&cert.0) {
                remarks.push(format!("a file or an entry of the keyring was passed over: {error}"));
            }
        }
        let mut left: Vec<PlanItem> =
            offer.unread.iter().map(|one| left_out(None, &one.what, &one.why)).collect();
        let (mut offered, mut certs) = (Vec::new(), BTreeMap::new());
        for row in &offer.rows {
            let list = row.list.as_ref().or(offer.list.as_ref());
            let taken = self.place(list, row).and_then(|list| {
                let cert = certificate(&ring, row, offer.by_address)?;
                Ok(one_offered(list, row, &cert, &mut certs))
            });
            match taken {
                Ok(one) => offered.push(one),
                Err(why) => left.push(left_out(list, &row.address.to_string(), &why)),
            }
        }
        let reason = format!("import from {}", offer.from);
        let whose = Whose::Others(offered);
        let (scope, bring_back, made_at) = (Scope::Added, false, None);
        Ok(Wanted { whose, scope, certs, left, reason, bring_back, made_at, remarks })
    }

    /// On which list's roster a row belongs, and whether as a person of a team.
    fn place(&self, list: Option<&ListName>, row: &OfferRow) -> Result<(ListName, bool), String> {
        let name = list.ok_or("it is not said for which list: give --list")?;
        let list = self.lists.iter().find(|list| list.name == *name);
        let list = list.ok_or_else(|| format!("there is no list {name}"))?;
        match (list.kind, row.team) {
            (Kind::Intake, _) => Ok((list.name.clone(), true)),
            (Kind::Announce, true) => {
                let team = list.team.clone();
                team.map(|team| (team, true)).ok_or_else(|| format!("{name} names no team"))
            }
            (Kind::Announce | Kind::Discuss, _) => Ok((list.name.clone(), false)),
            (Kind::Public, _) => Err(format!("{name} is a public list: it takes no members")),
        }
    }
}

fn certificate(ring: &Ring, row: &OfferRow, by_address: bool) -> Result<Cert, String> {
    let fingerprint = match row.fingerprint {
        Some(fingerprint) => fingerprint,
        None if !by_address => return Err("no certificate is set for that address".to_owned()),
        None => match ring.with_address(&row.address.to_string()).as_slice() {
            [only] => *only,
            [] => return Err("no certificate has that address".to_owned()),
            several => {
                let named: Vec<String> = several.iter().map(ToString::to_string).collect();
                return Err(format!(
                    "several certificates have that address: {}; say which",
                    named.join(", ")
                ));
            }
        },
    };
    match ring.get(fingerprint) {
        Ok(Some(cert)) => Ok(cert),
        Ok(None) => Err(format!("its certificate {fingerprint} is not among those that were given")),
        Err(error) => Err(format!("its certificate {fingerprint} cannot be read: {error}")),
    }
}

fn one_offered(
    (list, team): (ListName, bool),
    row: &OfferRow,
    cert: &Cert,
    certs: &mut BTreeMap<Fingerprint, Cert>,
) -> Offered {
    let fingerprint = cert.fingerprint();
    certs.insert(fingerprint, cert.clone());
    let role = if team {
        let name = row.name.clone().or_else(|| cert.name());
        Role::Team { name: name.unwrap_or_else(|| row.address.local().to_owned()), role: row.role.clone() }
    } else {
        Role::Contact { org: row.org.clone() }
    };
    let (title, address, delivery) = (row.title.clone(), row.address.clone(), row.delivery);
    Offered { list, role, title, address, fingerprint, delivery }
}

fn left_out(list: Option<&ListName>, who: &str, why: &str) -> PlanItem {
    PlanItem {
        list: list.map(ToString::to_string),
        change: "none".to_owned(),
        who: who.to_owned(),
        what: Vec::new(),
        rule: Some(why.to_owned()),
    }
}
