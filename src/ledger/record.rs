//! The form of a record: a format version, then MessagePack with named fields, so that later releases can add to it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::store::contract::StoreError;

/// The format this release writes. A record of any former format still opens.
pub const FORMAT: u8 = 1;

/// The bytes of a record.
///
/// # Errors
/// When the value cannot be encoded; it names only the type.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut out = vec![FORMAT];
    rmp_serde::encode::write_named(&mut out, value)
        .map_err(|_| StoreError::Damaged(format!("a {} does not encode", std::any::type_name::<T>())))?;
    Ok(out)
}

/// The value of a record.
///
/// # Errors
/// `TooNew` for a later format, `Damaged` for anything that is no record of this type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = || StoreError::Damaged(format!("a record is no {}", std::any::type_name::<T>()));
    let (format, rest) = bytes.split_first().filter(|(format, _)| **format > 0).ok_or_else(damaged)?;
    if *format > FORMAT {
        return Err(StoreError::TooNew { found: u32::from(*format), known: u32::from(FORMAT) });
    }
    rmp_serde::from_slice(rest).map_err(|_| damaged())
}

/// What could be read of several claims: one record that cannot must not keep the others from being worked on. It is
/// logged, and is the error when nothing else was there.
///
/// # Errors
/// The first one, when all of them failed.
pub(super) fn readable<T>(claims: impl Iterator<Item = Result<T, StoreError>>) -> Result<Vec<T>, StoreError> {
    let (mut read, mut failed) = (Vec::new(), None);
    for claim in claims {
        match claim {
            Ok(one) => read.push(one),
            Err(error) => {
                tracing::error!(%error, "a claimed record cannot be read; it is left where it is");
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        Some(error) if read.is_empty() => Err(error),
        _ => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_and_a_later_format_is_named() {
        let bytes = encode(&("a", 7)).unwrap();
        assert_eq!(decode::<(String, u32)>(&bytes).unwrap(), ("a".to_owned(), 7));
        let mut later = bytes;
        later[0] = 200;
        assert!(matches!(decode::<(String, u32)>(&later), Err(StoreError::TooNew { found: 200, .. })));
        assert!(matches!(decode::<(String, u32)>(&[]), Err(StoreError::Damaged(_))));
        let mut never = encode(&("a", 7)).unwrap();
        never[0] = 0;
        assert!(
            matches!(decode::<(String, u32)>(&never), Err(StoreError::Damaged(_))),
            "there was no format 0"
        );
    }
}
