//! What is asked about what members have besides address and certificate.

use super::super::failure::Failure;
use super::super::input;
use super::super::names::Who;
use super::super::nouns::{Alias, Cert, Delivery};
use super::{Desk, Shown};
use crate::control::wire::{ContactRequest, Request};

impl Desk<'_> {
    pub(super) fn alias(&self, verb: Alias) -> Result<Shown, Failure> {
        self.order(&Request::Contact(match verb {
            Alias::Add { who, alias } => {
                ContactRequest::AliasAdd { list: who.list, address: who.address, alias }
            }
            Alias::Remove { who, alias } => {
                ContactRequest::AliasRemove { list: who.list, address: who.address, alias }
            }
        }))
    }

    pub(super) fn cert(&self, verb: Cert) -> Result<Shown, Failure> {
        self.order(&Request::Contact(match verb {
            Cert::Add { who, cert } => {
                let cert = input::certificate(&cert)?;
                ContactRequest::CertAdd { list: who.list, address: who.address, cert }
            }
            Cert::Remove { who, fingerprint } => {
                ContactRequest::CertRemove { list: who.list, address: who.address, fingerprint }
            }
        }))
    }

    pub(super) fn delivery(&self, verb: Delivery) -> Result<Shown, Failure> {
        let (who, on, reason) = match verb {
            Delivery::On { who, reason } => (who, true, reason),
            Delivery::Off { who, reason } => (who, false, reason),
        };
        let Who { list, address } = who;
        self.order(&Request::Contact(ContactRequest::Delivery { list, address, on, reason }))
    }
}
