//! What members owe: they accept the terms, their addresses are read, and they keep to the embargo.

pub mod acceptance;
pub mod probe;
mod strikes;
