//! A voucher that came by mail, and the applicant's own word that the contact address is read.

use super::did::Did;
use crate::id::ApplicationId;
use crate::ledger::affairs::{Step, Trouble, application, vouchers};
use crate::ledger::journal::Event;
use crate::ledger::token::Issued;
use crate::roster::application::Change as What;
use crate::roster::errand::{About, Errand, Reached};
use crate::roster::membership::Member;
use crate::roster::{Change, Refusal};

/// Counts it and says so; or names the rule against it. Either way the token is spent.
pub(super) fn vouched(
    step: &mut Step<'_>,
    issued: &Issued,
    id: &ApplicationId,
    voucher: &Member,
) -> Result<Did, Trouble> {
    let about = match application::vouch(step, id, voucher, None) {
        Ok(application) => {
            let list = step.affairs().list(&issued.list).cloned();
            let missing = list.map_or(0, |list| vouchers::missing(step, &list, &application));
            About::VouchCounted { title: application.form.title, missing }
        }
        Err(Trouble::Refused(Refusal::Application(rule))) => {
            let (application, by, rule) = (id.clone(), voucher.id.clone(), rule.to_string());
            let what = What::VoucherRefused { application: application.clone(), by, rule: rule.clone() };
            step.tell(Some(&issued.list), Event::Roster { change: Change::Application { what } });
            About::VouchRefused { application, rule }
        }
        Err(trouble) => return Err(trouble),
    };
    step.write(&Errand { list: issued.list.clone(), to: Reached::from(voucher), about, until: None })?;
    Ok(Did::Something)
}

/// The applicant confirmed the contact address.
pub(super) fn confirmed(step: &mut Step<'_>, id: &ApplicationId) -> Result<Did, Trouble> {
    application::confirmed(step, id)?;
    Ok(Did::Something)
}
