//! The admin socket: hello, frames and what is in them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use vouchsafe::control::wire::{Answer, Hello, MAX_FRAME, PREFIX_LEN, Request, decode, encode, length};

/// A frame's bytes, as a request and as an answer. What is read says the same when it is written and read again.
pub fn control_wire(data: &[u8]) {
    if let Some((hello, _)) = data.split_first_chunk()
        && let Some(known) = Hello::from_bytes(*hello)
    {
        assert_eq!(known.to_bytes(), *hello);
    }
    if let Some((prefix, _)) = data.split_first_chunk::<PREFIX_LEN>()
        && let Ok(length) = length(*prefix)
    {
        assert!(length <= MAX_FRAME);
    }
    comes_back::<Request>(data);
    comes_back::<Answer>(data);
}

fn comes_back<T: Serialize + DeserializeOwned>(json: &[u8]) {
    let Ok(message) = decode::<T>(json) else { return };
    let first = encode(&message).unwrap();
    let again = decode::<T>(&first[PREFIX_LEN..]).expect("what we wrote can be read");
    assert_eq!(*encode(&again).unwrap(), *first);
}
