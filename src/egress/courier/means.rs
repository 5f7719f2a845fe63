//! What a courier works with.

use std::sync::Arc;

use tokio::sync::watch;

use crate::egress::carrier::Carrier;
use crate::egress::route::Settings;
use crate::id::Entropy;
use crate::ledger::queue::Queue;
use crate::time::Clock;
use crate::vitals::Vitals;

/// All that its rounds share.
pub(super) struct Means {
    pub(super) queue: Queue,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<Entropy>,
    pub(super) carrier: Arc<Carrier>,
    pub(super) vitals: Vitals,
    /// Turns true when the whole daemon stops.
    pub(super) end: Option<watch::Receiver<bool>>,
}
