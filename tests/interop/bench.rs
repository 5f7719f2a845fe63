//! What the peers' tables share: mail sent, and what became of it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::outside::scene::Scene;
use crate::outside::smtp::Reply;
use crate::outside::until;

/// The id that the relay gave to a mail which it took.
pub(crate) fn mail_id(reply: &Reply) -> String {
    assert_eq!(reply.code, 250, "{reply:?}");
    reply.text.rsplit_once(' ').expect("an id at the end of the reply").1.to_owned()
}

/// What the journal says became of these mails, by id, once it says so of all.
pub(crate) fn outcomes(scene: &Scene, mails: &[String]) -> BTreeMap<String, Value> {
    until("something becomes of every mail", || {
        let Value::Array(rows) = scene.install.json(&["journal", "ls"]) else {
            panic!("the journal is a list")
        };
        let ended = rows
            .into_iter()
            .map(|row| row["event"].clone())
            .filter(|event| ["relayed", "held", "dropped"].iter().any(|kind| event["kind"] == *kind));
        let known: BTreeMap<_, _> =
            ended.filter_map(|event| Some((event["mail"].as_str()?.to_owned(), event))).collect();
        mails.iter().all(|mail| known.contains_key(mail)).then_some(known)
    })
}

/// The verdict of an outcome, or what else became of the mail.
pub(crate) fn verdict(event: &Value) -> String {
    match event["verdict"].as_str() {
        Some(verdict) => verdict.to_owned(),
        None => format!("{}: {}", event["kind"], event["reason"]),
    }
}
