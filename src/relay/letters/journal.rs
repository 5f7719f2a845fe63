//! The journal's heads, for whoever keeps them.

use std::fmt::Write as _;

use super::page::Said;
use crate::id::ListName;
use crate::roster::errand::ChainHead;
use crate::time::Timestamp;

/// The hashes stand alone on their lines, to be copied.
pub(super) fn heads(heads: &[ChainHead], at: Timestamp) -> Said {
    let mut text = format!("These are the last entries of the relay's journal\nat {at}.\n");
    for ChainHead { list, seq, hash } in heads {
        let of = list.as_ref().map_or("the relay itself", ListName::as_str);
        let _ = write!(text, "\n{of}, entry {seq}:\n\n    {hash}\n");
    }
    text.push_str(
        "\nKeep this mail. The journal says who changed what, and when. Whether an\n\
         entry up to these has been changed, moved or taken away since, an admin of\n\
         the relay finds with\n\n    vouchsafe journal verify --head HASH\n\n\
         for each of them. What comes after them no mail can vouch for before the\nnext one.\n",
    );
    Said { subject: "The journal's heads: please keep".to_owned(), text }
}
