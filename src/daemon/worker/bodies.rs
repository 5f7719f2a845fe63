//! Bodies of a post that did not come to be.

use crate::id::BodyId;
use crate::store::contract::{self, Batch, Store};

/// Removes bodies that no commit named; what fails here is swept at the next start.
pub(in crate::daemon) fn discard(store: &dyn Store, bodies: impl Iterator<Item = BodyId>) {
    for body in bodies {
        let mut batch = Batch::new();
        let body = contract::BodyId(*body.as_bytes());
        batch.name(body).unname(body);
        if let Err(error) = store.commit(batch) {
            tracing::warn!(%error, "a body that nobody names stays until the next start");
        }
    }
}
