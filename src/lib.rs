//! Vouchsafe: an encrypted mailing-list relay for embargoed vulnerability reports.
#![forbid(unsafe_code)]

pub mod cli;
pub mod control;
pub mod egress;
pub mod id;
pub mod ingress;
pub mod ledger;
pub mod mail;
pub mod mime;
pub mod pgp;
pub mod relay;
pub mod roster;
pub mod secret;
pub mod store;
pub mod time;
