//! Panics of the library over what others send: they end the work on that mail, and are nothing to tell an admin.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Does the work; none when it panicked.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = CATCHING.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    CATCHING.set(before);
    done
}

/// Whether a panic of this thread is caught here, so that whoever logs panics need not.
#[must_use]
pub fn is_caught() -> bool {
    CATCHING.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_end_like_any_other_and_only_within() {
        assert!(!is_caught());
        let after = caught(|| {
            let inner: Option<()> = caught(|| panic!("inner"));
            (inner, is_caught())
        });
        assert_eq!(after, Some((None, true)));
        assert!(!is_caught());
    }
}
