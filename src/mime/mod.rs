//! Mail as bytes: what its structure is, what it says, and how a new one is written.
//!
//! [`scan`] bounds a mail before anything else looks at it, [`read`] says what it is, [`mod@write`] makes one byte for
//! byte. There is one idea of structure in here, the walk in `tree`: delimiters stand alone on a line (RFC 2046
//! §5.1.1), nothing recurses. `mail_parser` reads single header values and character sets; it never gets a body,
//! because its own tree takes delimiters in the middle of a line and nests without limit.

mod armor;
mod ciphertext;
pub mod enclosed;
mod entity;
mod field;
pub mod read;
pub mod report;
pub mod scan;
mod shape;
pub mod signed;
mod transfer;
mod tree;
pub mod write;
