//! What can go wrong in the demo.

use std::io;

use crate::control::client::ClientError;
use crate::init::InitError;
use crate::pgp::cert::CertError;
use crate::pgp::person::PersonError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("cannot {what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
    #[error("it was interrupted")]
    Interrupted,
    #[error("waited {0} s in vain until {1}; on a very busy machine try again")]
    Late(u64, String),
    /// The relay did something else than it promises.
    #[error("{0}")]
    Broken(String),
    #[error(transparent)]
    Init(#[from] InitError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Person(#[from] PersonError),
    #[error(transparent)]
    Cert(#[from] CertError),
}

impl Trouble {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(super) fn broken<T>(what: impl Into<String>) -> Result<T, Self> {
        Err(Self::Broken(what.into()))
    }
}
