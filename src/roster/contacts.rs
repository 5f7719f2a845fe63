//! What a contact has besides address and certificate: aliases, further certificates, and whether it wants copies.

use super::{Change, Refusal, Roster};
use crate::id::{Fingerprint, ListName};
use crate::mail::address::Address;
use crate::roster::membership::{MAX_FURTHER, Member, Role, Standing};
use crate::time::Timestamp;

impl Roster {
    /// Notes a further address of a member, which a From may name.
    ///
    /// # Errors
    /// When nobody has the member's address, or the alias is anybody's address or alias on this list.
    pub fn add_alias(
        &self,
        list: &ListName,
        member: &Address,
        alias: Address,
    ) -> Result<(Self, Change), Refusal> {
        let member = self.here(list, member)?;
        if member.is_called(&alias) {
            return Err(Refusal::AliasKnown);
        }
        self.address_is_free(list, &alias)?;
        if member.file.aliases.len() >= MAX_FURTHER {
            return Err(Refusal::TooManyFurther);
        }
        let change = Change::AliasSet { member: member.id.clone(), known: true };
        Ok((self.with_member(list, &member.id.clone(), |m| m.file.aliases.push(alias)), change))
    }

    /// Forgets a further address of a member.
    ///
    /// # Errors
    /// When nobody has the member's address, or it has no such alias.
    pub fn remove_alias(
        &self,
        list: &ListName,
        member: &Address,
        alias: &Address,
    ) -> Result<(Self, Change), Refusal> {
        let member = self.here(list, member)?;
        if !member.file.aliases.iter().any(|known| known.same_mailbox(alias)) {
            return Err(Refusal::NoAlias);
        }
        let change = Change::AliasSet { member: member.id.clone(), known: false };
        let gone = |m: &mut Member| m.file.aliases.retain(|known| !known.same_mailbox(alias));
        Ok((self.with_member(list, &member.id.clone(), gone), change))
    }

    /// Lets signatures by a further certificate count as this member's.
    ///
    /// # Errors
    /// When nobody has that address, or the certificate is anybody's on this list.
    pub fn add_cert(
        &self,
        list: &ListName,
        member: &Address,
        cert: Fingerprint,
    ) -> Result<(Self, Change), Refusal> {
        let member = self.here(list, member)?;
        if member.signs_with(cert) {
            return Err(Refusal::CertKnown(cert));
        }
        self.cert_is_free(list, cert, Some(&member.id))?;
        if member.file.certs.len() >= MAX_FURTHER {
            return Err(Refusal::TooManyFurther);
        }
        let change = Change::CertAlso { member: member.id.clone(), fingerprint: cert, counts: true };
        Ok((self.with_member(list, &member.id.clone(), |m| m.file.certs.push(cert)), change))
    }

    /// Lets signatures by a further certificate count no more.
    ///
    /// # Errors
    /// When nobody has that address, or the certificate is no further one of this member.
    pub fn remove_cert(
        &self,
        list: &ListName,
        member: &Address,
        cert: Fingerprint,
    ) -> Result<(Self, Change), Refusal> {
        let member = self.here(list, member)?;
        if !member.file.certs.contains(&cert) {
            return Err(Refusal::NoFurtherCert(cert));
        }
        let change = Change::CertAlso { member: member.id.clone(), fingerprint: cert, counts: false };
        let gone = |m: &mut Member| m.file.certs.retain(|known| *known != cert);
        Ok((self.with_member(list, &member.id.clone(), gone), change))
    }

    /// Lets a member get copies, or none. It stays what it is otherwise: it may post and vote.
    ///
    /// # Errors
    /// When nobody has that address, it is so already, or nobody of a team would get a copy.
    pub fn set_delivery(
        &self,
        list: &ListName,
        member: &Address,
        on: bool,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<(Self, Change), Refusal> {
        let member = self.here(list, member)?;
        if on == member.file.delivery_off.is_none() {
            return Err(Refusal::DeliveryIs(on));
        }
        let in_team = matches!(member.role, Role::Team { .. });
        if in_team
            && !on
            && member.gets_copies()
            && self.active(list).filter(|m| m.gets_copies()).count() == 1
        {
            return Err(Refusal::LastReader(list.clone()));
        }
        let change = Change::DeliverySet { member: member.id.clone(), on, reason };
        let off = (!on).then_some(now);
        Ok((self.with_member(list, &member.id.clone(), |m| m.file.delivery_off = off), change))
    }

    /// The certificates of whoever signs with this one, itself among them: what is written to one of them may be answered
    /// with another.
    #[must_use]
    pub fn certs_of(&self, signer: Fingerprint) -> Vec<Fingerprint> {
        let theirs = self.everyone().map(|(_, m)| m);
        let theirs = theirs.filter(|m| m.standing != Standing::Removed && m.signs_with(signer));
        std::iter::once(signer).chain(theirs.flat_map(Member::certs)).collect()
    }

    /// Whether all these certificates are one active member's of this list: then several signatures are one word.
    #[must_use]
    pub fn are_one(&self, list: &ListName, signers: &[Fingerprint]) -> bool {
        self.active(list).any(|m| signers.iter().all(|signer| m.signs_with(*signer)))
    }

    /// Whose address or alias this is on a list, among those who have not been removed.
    #[must_use]
    pub fn called(&self, list: &ListName, address: &Address) -> Option<&Member> {
        self.members(list).iter().find(|m| m.standing != Standing::Removed && m.is_called(address))
    }

    pub(super) fn address_is_free(&self, list: &ListName, address: &Address) -> Result<(), Refusal> {
        match self.called(list, address) {
            Some(_) => Err(Refusal::AddressTaken(list.clone())),
            None => Ok(()),
        }
    }

    fn here(&self, list: &ListName, address: &Address) -> Result<&Member, Refusal> {
        self.by_address(list, address).ok_or_else(|| Refusal::NoMember(list.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::membership::MemberFile;

    fn list() -> ListName {
        "distrib".parse().unwrap()
    }

    fn cert(n: u8) -> Fingerprint {
        Fingerprint::V4([n; 20])
    }

    fn at(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn person(n: u8, role: Role) -> Member {
        Member {
            id: format!("m-{n}").parse().unwrap(),
            address: at(&format!("m{n}@example.org")),
            fingerprint: cert(n),
            role,
            standing: Standing::Active,
            since: Timestamp::from_secs(0),
            format: None,
            file: MemberFile::default(),
        }
    }

    /// Two contacts of one organisation on one list, each with the digit of its address as certificate.
    fn two() -> Roster {
        let org: crate::id::OrgName = "acme".parse().unwrap();
        let (roster, _) =
            Roster::default().add_org(&org, "Acme".to_owned(), Timestamp::from_secs(0)).unwrap();
        let contact = |n| person(n, Role::Contact { org: org.clone() });
        let (roster, _) = roster.add_member(&list(), contact(1)).unwrap();
        roster.add_member(&list(), contact(2)).unwrap().0
    }

    #[test]
    fn an_alias_is_one_members_and_names_nobody_for_the_admin() {
        let one = at("m1@example.org");
        let (roster, change) = two().add_alias(&list(), &one, at("Psirt@example.org")).unwrap();
        assert_eq!(change, Change::AliasSet { member: "m-1".parse().unwrap(), known: true });
        assert_eq!(roster.called(&list(), &at("psirt@example.org")).unwrap().address, one);
        assert!(roster.by_address(&list(), &at("psirt@example.org")).is_none(), "it is no identity");
        for taken in ["m2@example.org", "PSIRT@example.org"] {
            let refused = roster.add_alias(&list(), &at("m2@example.org"), at(taken)).unwrap_err();
            assert!(matches!(refused, Refusal::AliasKnown | Refusal::AddressTaken(_)), "{taken}: {refused}");
        }
        let mut other = person(3, Role::Contact { org: "acme".parse().unwrap() });
        other.address = at("psirt@example.org");
        assert!(matches!(roster.add_member(&list(), other), Err(Refusal::AddressTaken(_))));
        let (roster, _) = roster.remove_alias(&list(), &one, &at("psirt@EXAMPLE.org")).unwrap();
        assert_eq!(roster, two());
        assert_eq!(roster.remove_alias(&list(), &one, &at("psirt@example.org")), Err(Refusal::NoAlias));
    }

    #[test]
    fn a_further_certificate_signs_for_its_member_alone_and_is_unique() {
        let (one, two_) = (at("m1@example.org"), at("m2@example.org"));
        let (roster, _) = two().add_cert(&list(), &one, cert(9)).unwrap();
        assert_eq!(roster.active_signer(&list(), cert(9)).unwrap().address, one);
        assert_eq!(
            roster.by_address(&list(), &one).unwrap().fingerprint,
            cert(1),
            "mail is sealed as before"
        );
        assert_eq!(roster.fingerprints(), [cert(1), cert(2), cert(9)]);
        for (who, taken) in [(&two_, 9), (&two_, 1)] {
            assert_eq!(roster.add_cert(&list(), who, cert(taken)), Err(Refusal::CertTaken(cert(taken))));
        }
        assert_eq!(roster.set_cert(&list(), &two_, cert(9)), Err(Refusal::CertTaken(cert(9))));
        assert_eq!(roster.add_cert(&list(), &one, cert(1)), Err(Refusal::CertKnown(cert(1))));
        let (gone, _) = roster.remove_cert(&list(), &one, cert(9)).unwrap();
        assert!(gone.active_signer(&list(), cert(9)).is_none());
        assert_eq!(gone.remove_cert(&list(), &one, cert(1)), Err(Refusal::NoFurtherCert(cert(1))));
        // A further one that becomes the main one is no further one any more.
        let (main, _) = roster.set_cert(&list(), &one, cert(9)).unwrap();
        let member = main.by_address(&list(), &one).unwrap();
        assert_eq!((member.fingerprint, member.file.certs.len()), (cert(9), 0));
        assert!(main.active_signer(&list(), cert(1)).is_none());
    }

    #[test]
    fn several_certificates_are_one_only_where_one_member_has_them() {
        let (roster, _) = two().add_cert(&list(), &at("m1@example.org"), cert(9)).unwrap();
        let one = |list: &ListName, a: u8, b: u8| roster.are_one(list, &[cert(a), cert(b)]);
        assert!(one(&list(), 1, 9));
        assert!(!one(&list(), 1, 2) && !one(&list(), 9, 2));
        assert!(!one(&list(), 1, 7), "a stranger's beside it");
        assert!(!one(&"other".parse().unwrap(), 1, 9), "elsewhere they are nobody's");
        assert_eq!(roster.certs_of(cert(9)), [cert(9), cert(1), cert(9)]);
        assert_eq!(roster.certs_of(cert(7)), [cert(7)]);
    }

    #[test]
    fn who_wants_no_copies_stays_active_and_the_last_of_a_team_reads_on() {
        let now = Timestamp::from_secs(7);
        let (roster, change) = two()
            .set_delivery(&list(), &at("m1@example.org"), false, Some("on leave".to_owned()), now)
            .unwrap();
        assert!(matches!(change, Change::DeliverySet { on: false, .. }));
        let member = roster.by_address(&list(), &at("m1@example.org")).unwrap();
        assert!(member.is_active() && !member.gets_copies() && member.file.delivery_off == Some(now));
        assert!(roster.active_signer(&list(), cert(1)).is_some());
        let again = roster.set_delivery(&list(), &at("m1@example.org"), false, None, now);
        assert_eq!(again, Err(Refusal::DeliveryIs(false)));
        // The last contact may pause: a list of members without readers harms nobody.
        assert!(roster.set_delivery(&list(), &at("m2@example.org"), false, None, now).is_ok());
        let team = person(1, Role::Team { name: "Ada".to_owned(), role: None });
        let (team, _) = Roster::default().add_member(&list(), team).unwrap();
        let refused = team.set_delivery(&list(), &at("m1@example.org"), false, None, now);
        assert_eq!(refused, Err(Refusal::LastReader(list())));
    }
}
