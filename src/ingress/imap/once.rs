//! A mailbox attended once, over a server that a test plays: every command, and every answer as we read it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::connect::{Link, login};
use super::plan::{Memory, Plan};
use super::settings::{Auth, Settings};
use super::trouble::Trouble;
use super::wire::Wire;
use crate::credential::Secret;
use crate::secret::Plaintext;

/// How many mails are listed.
const WINDOW: u32 = 20;

/// Logs in, opens the mailbox, lists, fetches what has at most `limit` bytes, asks what is left of it, removes it, and
/// waits for news. Returns the mails that came, and why it ended before its end.
pub async fn once(
    server: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    limit: u64,
) -> (Vec<Plaintext>, Option<String>) {
    let mut mails = Vec::new();
    let ended = attend(Link::Played(Box::new(server)), limit, &mut mails).await;
    (mails, ended.err().map(|trouble| trouble.to_string()))
}

async fn attend(link: Link, limit: u64, mails: &mut Vec<Plaintext>) -> Result<(), Trouble> {
    let settings = Settings { user: "ada".to_owned(), auth: Auth::Login, ..Settings::default() };
    let secret = Secret::first_line(b"secret".to_vec().into(), "the test")
        .map_err(|_| Trouble::NoAuth("a test without a password"))?;
    let session = login((link, true), &settings, secret).await?;
    let mut wire = Wire::new(session, Duration::from_secs(5), 1 << 20).await?;
    let opened = wire.select(&settings.mailbox).await?;
    let mut memory = Memory::default();
    memory.in_generation(opened.validity);
    let listing = wire.list(1, wire.exists.clamp(1, WINDOW)).await?;
    for group in Plan::of(&listing, &memory, limit).fetch {
        wire.fetch(&group, &mut |_, body| mails.extend(body)).await?;
    }
    let uids: Vec<u32> = listing.iter().map(|mail| mail.uid).collect();
    for (uid, _) in wire.remaining(&uids).await? {
        let _ = wire.has(uid, "\\Deleted").await?;
    }
    wire.flag(&uids, "\\Deleted").await?;
    wire.expunge(&uids).await?;
    wire.create("Aside").await?;
    wire.relocate(&uids, "Aside").await?;
    wire.noop().await?;
    wire.idle(Duration::from_millis(1)).await.map(drop)
}
