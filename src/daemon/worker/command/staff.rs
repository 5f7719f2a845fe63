//! One of a contact's own people, recorded by its signed mail.

use std::time::Duration;

use super::did::Did;
use crate::id::MemberId;
use crate::ledger::affairs::{Step, Trouble, acceptance};
use crate::ledger::token::Issued;
use crate::relay::answers::Answers;
use crate::roster::duties::acceptance::binds;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::Member;
use crate::roster::terms::{Accepted, Edition, How, Staff};

/// How long the next token counts.
const TOKEN: Duration = Duration::from_secs(365 * 24 * 3600);

/// Records the person, or says at once what is against it. Either way the answer brings the next token.
pub(super) fn named(
    step: &mut Step<'_>,
    issued: &Issued,
    member: &Member,
    answers: &Answers,
) -> Result<Did, Trouble> {
    if !binds(member) || !member.is_active() {
        return Ok(Did::Nothing);
    }
    let about = match recorded(step, issued, member, answers) {
        Ok(name) => About::StaffRecorded { name },
        Err(Refused::By(why)) => About::StaffRefused { why },
        Err(Refused::Store(error)) => return Err(error),
    };
    let (list, to) = (issued.list.clone(), Reached::from(member));
    let until = Some(step.now().after(TOKEN));
    step.write(&Errand { list, to, about, until })?;
    Ok(Did::Something)
}

enum Refused {
    By(String),
    Store(Trouble),
}

fn recorded(
    step: &mut Step<'_>,
    issued: &Issued,
    member: &Member,
    answers: &Answers,
) -> Result<String, Refused> {
    let refused = |why: &str| Refused::By(why.to_owned());
    let name = answers.name.clone().ok_or_else(|| refused("the line \"Name:\" is missing"))?;
    let address = answers.address.clone();
    let address = address.ok_or_else(|| refused("the line \"Address:\" is missing, or holds no address"))?;
    let hash = answers.accepts.ok_or_else(|| {
        refused("the line \"Accepts:\" is missing, or holds no SHA-256 of\n64 hexadecimal digits")
    })?;
    let terms = step.affairs().list(&issued.list).and_then(|list| list.terms().map(Edition::from));
    let edition = terms.filter(|edition| edition.hash == hash);
    let edition = edition.ok_or_else(|| refused("the SHA-256 is not that of the text that holds now"))?;
    let staff = Staff {
        id: MemberId::random(&step.affairs().entropy),
        name: name.clone(),
        address: Some(address),
        accepted: Accepted { edition, at: step.now(), how: How::Mail },
        signer: issued.signer,
    };
    match acceptance::staff(step, &issued.list, &member.id, staff) {
        Ok(()) => Ok(name),
        Err(Trouble::Refused(why)) => Err(Refused::By(why.to_string())),
        Err(error) => Err(Refused::Store(error)),
    }
}
