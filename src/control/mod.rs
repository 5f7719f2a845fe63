//! The admin socket: what is asked, who may ask, and who answers.

pub mod client;
pub mod desk;
pub mod server;
pub mod wire;
