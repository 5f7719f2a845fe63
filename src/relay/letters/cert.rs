//! Another certificate is pinned: told to its owner twice, so that somebody who took over the mail cannot do it unseen.

use super::page::{Page, Said};
use crate::id::Fingerprint;

pub(super) fn replaced(page: &Page<'_>, before: Fingerprint, after: Fingerprint) -> Said {
    let list = page.list;
    let text = format!(
        "For {}\non {} ({})\nanother certificate is pinned from now on. Before:\n\n    {before}\n\nNow:\n\n    {after}\n\n\
         It came in a mail that the old key signed and the new key vouched for. The\n\
         admins know of it. If it was not you, write to the team at once:\n\n    {}\n\n\
         This letter goes to the old certificate and to the new one.\n",
        page.errand.to.address,
        list.title,
        list.address,
        list.request(),
    );
    Said { subject: "Another certificate is pinned for you".to_owned(), text }
}
