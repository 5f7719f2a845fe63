//! What the peers' tables share: mail sent, and what became of it.

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use crate::outside::copy::contains;
use crate::outside::copy::{Copy, find};
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
        let Value::Array(rows) = scene.install.json(&["journal", "ls", "--all"]) else {
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

/// The payload and its author's signature, where the copy holds them side by side (RFC 3156 §5).
pub(crate) fn signed_part(copy: &Copy) -> (Vec<u8>, Vec<u8>) {
    let entity = &copy.entity;
    let root = find(entity, b"Content-Type: multipart/signed;").expect("the author's own signature");
    let boundary = String::from_utf8_lossy(&entity[root..root + 200]).into_owned();
    let boundary = boundary.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (first, next) = (format!("--{boundary}\r\n"), format!("\r\n--{boundary}"));
    let start = root + find(&entity[root..], first.as_bytes()).unwrap() + first.len();
    let end = start + find(&entity[start..], next.as_bytes()).unwrap();
    let signature = &entity[end + next.len()..];
    let begin = find(signature, b"-----BEGIN PGP SIGNATURE-----").unwrap();
    let stop = find(signature, next.as_bytes()).unwrap();
    (entity[start..end].to_vec(), signature[begin..stop].to_vec())
}
