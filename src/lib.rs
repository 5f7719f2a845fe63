//! Vouchsafe: an encrypted mailing-list relay for embargoed vulnerability reports.
#![forbid(unsafe_code)]

// The helpers of the tests outside write OpenPGP mail for the tests inside, too.
#[cfg(test)]
extern crate self as vouchsafe;

pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod credential;
pub mod daemon;
pub mod demo;
pub mod dkim;
pub mod egress;
pub mod failpoint;
pub mod group;
pub mod id;
pub mod ingest;
pub mod ingress;
pub mod init;
pub mod ledger;
pub mod logging;
pub mod mail;
pub mod meter;
pub mod mime;
pub mod pgp;
pub mod policy;
pub mod relay;
pub mod roster;
pub mod routes;
pub mod secret;
pub mod store;
pub mod swap;
pub mod time;
pub mod vitals;
