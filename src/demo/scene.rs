//! What the steps of the demo share.

use std::sync::Arc;

use super::cast::Cast;
use super::patience::Patience;
use super::sink::Sink;
use super::stage::Stage;
use crate::id::Entropy;
use crate::pgp::cert::Cert;
use crate::time::SystemClock;

/// Everything that the steps work with.
pub(super) struct Scene {
    pub(super) patience: Patience,
    pub(super) clock: SystemClock,
    pub(super) entropy: Entropy,
    /// A word of this run, in every subject, text and attachment name: wherever it turns up, content has leaked.
    pub(super) canary: String,
    pub(super) cast: Cast,
    /// The certificates of the two lists.
    pub(super) security: Arc<Cert>,
    pub(super) announce: Arc<Cert>,
    pub(super) sink: Sink,
    pub(super) stage: Stage,
}
