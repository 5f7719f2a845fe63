//! Mail as the relay speaks of it: addresses, envelopes, who an address belongs to, and the parcels that leave.

pub mod address;
pub mod arrival;
pub mod directory;
pub mod headers;
pub mod incident;
pub mod leaving;
pub mod list;
pub mod parcel;
pub mod tags;
