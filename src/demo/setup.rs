//! Step 1: the installation, the lists and the people.

use std::sync::Arc;
use std::time::Duration;

use super::cast::{Cast, Character, Distributor};
use super::patience::Patience;
use super::scene::Scene;
use super::show::Show;
use super::sink::Sink;
use super::stage::{Log, Stage};
use super::trouble::Trouble;
use crate::control::wire::{Answer, Certificate, ListName, OrgFields, OrgRequest, Request, TeamRequest};
use crate::id::Entropy;
use crate::mail::address::Address;
use crate::pgp::cert::Cert;
use crate::time::SystemClock;

/// The lists of the preset.
pub(super) const SECURITY: &str = "security";
pub(super) const ANNOUNCE: &str = "distrib-announce";

/// How long the certificate of the last distributor still lasts when it is added: first as short as may be, and again
/// longer if the machine was so busy that it had expired before the relay saw it.
const LEFT: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(8), Duration::from_secs(20)];

pub(super) fn set_up(show: &mut Show<'_>, log: &Log) -> Result<Scene, Trouble> {
    show.step("A relay is set up and started")?;
    let (patience, clock, entropy) = (Patience::new()?, SystemClock, Entropy::kernel());
    let sink = Sink::start()?;
    let stage = Stage::build(sink.address, log, &patience, &clock, &entropy)?;
    let word = data_encoding::BASE32_NOPAD.encode(&entropy.bytes::<10>()).to_ascii_lowercase();
    let scene = Scene {
        canary: format!("canary{word}"),
        cast: Cast::gather(&clock)?,
        security: certificate(&stage, SECURITY)?,
        announce: certificate(&stage, ANNOUNCE)?,
        patience,
        clock,
        entropy,
        sink,
        stage,
    };
    show_relay(show, &scene)?;
    show_lists(show, &scene)?;
    enlist(show, &scene)?;
    show.row("canary", &scene.canary)?;
    show.row("", "stands in every subject, text and attachment name below, and is looked for at the end")?;
    Ok(scene)
}

/// A list's name as a request wants it.
pub(super) fn list(name: &str) -> Result<ListName, Trouble> {
    name.parse().map_err(|_| Trouble::Broken(format!("\"{name}\" is no name of a list")))
}

fn address(character: &Character) -> Result<Address, Trouble> {
    let bad = |error| Trouble::Broken(format!("{}: {error}", character.address));
    character.address.parse().map_err(bad)
}

fn certificate(stage: &Stage, name: &str) -> Result<Arc<Cert>, Trouble> {
    match stage.ask(&Request::KeyExport { list: list(name)? })? {
        Answer::Certificate { armored } => Ok(Arc::new(Cert::parse(armored.as_bytes())?)),
        _ => Trouble::broken("the relay gave no certificate"),
    }
}

fn show_relay(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    let stage = &scene.stage;
    show.row("directory", format!("{} (mode 0700; removed at the end)", stage.directory.path().display()))?;
    show.row("relay", format!("process {}, this binary with `serve`; SMTP on {}", stage.pid(), stage.smtp))?;
    show.row(
        "next hop",
        format!("{}, a mail server of this demo that keeps what it gets", scene.sink.address),
    )?;
    show.row("passphrase", "made by `init`, beside the keys that it opens; a server keeps it elsewhere")?;
    show.row(
        "swap",
        "allow_swap = true, so that it starts on a laptop with swap; a server leaves it at false",
    )?;
    show.row("alerts", "notify = [], so that nothing leaves but copies; a server tells its admins by mail")?;
    show.row("log", "as talkative as can be (VOUCHSAFE_LOG=trace), kept in memory, searched at the end")
}

fn show_lists(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    for made in &scene.stage.made.lists {
        let mut addresses = made.addresses.iter().map(ToString::to_string);
        let posting = addresses.next().unwrap_or_default();
        show.row(&format!("list ({})", made.kind), posting)?;
        show.row("", format!("with {}", addresses.collect::<Vec<_>>().join(", ")))?;
        if let Some(fingerprint) = made.fingerprint {
            show.row("", format!("certificate {fingerprint}"))?;
        }
    }
    Ok(())
}

/// Puts everybody on the roster, as an admin would with `team add`, `org add` and `member add`.
fn enlist(show: &mut Show<'_>, scene: &Scene) -> Result<(), Trouble> {
    for member in &scene.cast.team {
        scene.stage.ask(&Request::Team(TeamRequest::Add {
            list: list(SECURITY)?,
            address: address(member)?,
            name: member.name.to_owned(),
            cert: Certificate(member.person.cert().to_bytes()),
            role: None,
            roles: Vec::new(),
            org: None,
            starts: None,
        }))?;
    }
    for distributor in &scene.cast.distributors {
        add_org(scene, distributor)?;
        add_member(scene, distributor)?;
    }
    let (expiring, remarks) = add_expiring(scene)?;
    let distributors = scene.cast.distributors.iter().chain([&expiring]);
    let mut people: Vec<_> = scene.cast.team.iter().map(|c| person("team", c)).collect();
    people.extend(distributors.map(|d| person("distributor", &d.contact)));
    people.push(person("reporter", &scene.cast.reporter));
    people.push(person("stranger", &scene.cast.stranger));
    show.table("people", &people)?;
    for remark in remarks {
        show.row("", format!("{}: the relay remarks: {remark}", expiring.contact.name))?;
    }
    Ok(())
}

fn person(role: &str, character: &Character) -> Vec<String> {
    let fingerprint = character.person.cert().fingerprint().to_string();
    // Those of version 6 are so long that they would break the table.
    let short: String = fingerprint.chars().take(40).collect();
    let more = if short.len() < fingerprint.len() { "…" } else { "" };
    let Character { name, address, key, .. } = *character;
    vec![role.to_owned(), name.to_owned(), address.to_owned(), key.to_owned(), short + more]
}

fn add_org(scene: &Scene, distributor: &Distributor) -> Result<(), Trouble> {
    let org = distributor.org.parse().map_err(|_| Trouble::Broken("bad name".to_owned()))?;
    scene.stage.ask(&Request::Org(OrgRequest::Add { org, about: OrgFields::default() })).map(|_| ())
}

fn add_member(scene: &Scene, distributor: &Distributor) -> Result<Vec<String>, Trouble> {
    let answer = scene.stage.ask(&Request::MemberAdd {
        list: list(ANNOUNCE)?,
        org: distributor.org.parse().map_err(|_| Trouble::Broken("bad name".to_owned()))?,
        address: address(&distributor.contact)?,
        cert: Certificate(distributor.contact.person.cert().to_bytes()),
        format: None,
        ask: false,
    })?;
    match answer {
        Answer::Done { remarks, .. } => Ok(remarks),
        _ => Trouble::broken("the relay did not say that the member was added"),
    }
}

/// The relay takes no certificate that has expired, so this one does so a few seconds after it was taken.
fn add_expiring(scene: &Scene) -> Result<(Distributor, Vec<String>), Trouble> {
    let mut last = Trouble::Broken("nobody was added".to_owned());
    for (attempt, left) in LEFT.into_iter().enumerate() {
        let expiring = Cast::expiring(&scene.clock, left)?;
        if attempt == 0 {
            add_org(scene, &expiring)?;
        }
        match add_member(scene, &expiring) {
            Ok(remarks) => return Ok((expiring, remarks)),
            // On a busy machine it may have been too late by now.
            Err(error) => last = error,
        }
    }
    Err(last)
}
