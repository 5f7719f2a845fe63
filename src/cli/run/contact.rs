//! What is asked about what members have besides address and certificate.

use super::super::failure::Failure;
use super::super::input;
use super::super::names::{Who, Why};
use super::super::nouns::{Alias, Cert, Delivery};
use super::{Desk, Shown};
use crate::control::wire::{ContactRequest, Request};

impl Desk<'_> {
    pub(super) fn alias(&self, verb: Alias) -> Result<Shown, Failure> {
        let (request, why) = match verb {
            Alias::Add { who: Who { list, address }, alias, why } => {
                (ContactRequest::AliasAdd { list, address, alias }, why)
            }
            Alias::Remove { who: Who { list, address }, alias, why } => {
                (ContactRequest::AliasRemove { list, address, alias }, why)
            }
        };
        self.order(&why.of(Request::Contact(request)))
    }

    pub(super) fn cert(&self, verb: Cert) -> Result<Shown, Failure> {
        let (request, why) = match verb {
            Cert::Add { who: Who { list, address }, cert, why } => {
                let cert = input::certificate(&cert)?;
                (ContactRequest::CertAdd { list, address, cert }, why)
            }
            Cert::Remove { who: Who { list, address }, fingerprint, why } => {
                (ContactRequest::CertRemove { list, address, fingerprint }, why)
            }
        };
        self.order(&why.of(Request::Contact(request)))
    }

    pub(super) fn delivery(&self, verb: Delivery) -> Result<Shown, Failure> {
        let (who, on, why) = match verb {
            Delivery::On { who, why } => (who, true, why),
            Delivery::Off { who, why } => (who, false, why),
        };
        let (Who { list, address }, Why { reason }) = (who, why);
        self.order(&Request::Contact(ContactRequest::Delivery { list, address, on, reason }))
    }
}
