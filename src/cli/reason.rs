//! What the reason of a held mail means, and what to do about it, for people.

const ASK_AUTHOR: &str =
    "ask its author by another way whether it is genuine; if so `hold release`, else `hold drop`";

/// How a reason begins, what it means, and the next step.
const REASONS: &[(&str, &str, &str)] = &[
    ("unsigned", "Nobody signed it, and who may post is decided by a signature.", ASK_AUTHOR),
    ("unknown-signer", "A key that is not on the roster signed it.", ASK_AUTHOR),
    (
        "bad-signature",
        "Its signature does not count, for the reason behind the colon.",
        "ask its author by another way whether it is genuine; if so `hold release`, else let it be sent again",
    ),
    ("not-a-poster", "Its signer is on the roster, but may not post to this list.", ASK_AUTHOR),
    (
        "signed-before-joining",
        "It was signed before its signer could post here; somebody may have kept it until now.",
        ASK_AUTHOR,
    ),
    (
        "signed-before-restore",
        "It was signed before the store was restored, and may have been relayed then.",
        "look whether the list had it already (ask a reader); if not `hold release`, else `hold drop`",
    ),
    (
        "for-someone-else",
        "Its author addressed it to others, and this list is not among them; a reader may have passed it on.",
        "ask its author by another way whether it is meant for this list; if so `hold release`, else `hold drop`",
    ),
    (
        "automatic",
        "Somebody who may post signed it, and it says of itself that a program wrote it.",
        "ask its author whether it was meant for the list; if so `hold release`, else `hold drop`",
    ),
    (
        "cannot-open",
        "It could not be decrypted, for the reason behind the colon.",
        "ask its author to encrypt it anew to the list's certificate (`key export`); `hold release` tries this one again",
    ),
    (
        "structure-beyond-limits",
        "It has more parts, or parts within parts, than the relay takes apart.",
        "ask its author to send it in a simpler form, then `hold drop`",
    ),
    (
        "no-usable-key",
        "No reader of the list has a certificate that can be used today.",
        "get a reader a certificate that works (`member set-cert`), then `hold release`",
    ),
    (
        "quarantined",
        "The relay did not survive working on it three times.",
        "report the fault with the log; after an upgrade `hold release` tries it again",
    ),
    (
        "not-encrypted",
        "It came in the clear, and this list takes encrypted mail only.",
        "ask its author to encrypt it to the list's certificate (`key export`), then `hold drop`",
    ),
    (
        "no-team",
        "It is for the people who run the list, and the list names no team.",
        "ask its author by another way what was wanted, then `hold drop`; a `team` in relay.toml gets such mail from then on",
    ),
];

/// What a reason means, and the next step.
pub(super) fn explained(reason: &str) -> Option<(&'static str, &'static str)> {
    let kind = reason.split(':').next().unwrap_or_default();
    REASONS.iter().find(|(name, ..)| *name == kind).map(|(_, meaning, next)| (*meaning, *next))
}
