//! Applications, for people.

use super::table::{Columns, or_dash, yes_no};
use crate::control::wire::ApplicationRow;

pub(crate) const APPLICATIONS: Columns<ApplicationRow> = Columns {
    none: "no applications",
    heads: &["ID", "LIST", "ORG", "ADDRESS", "STAGE", "SINCE", "VOUCHED BY"],
    cells: |a| {
        let by: Vec<String> =
            a.vouchers.iter().map(|v| v.org.clone().unwrap_or_else(|| v.by.clone())).collect();
        vec![
            a.id.clone(),
            a.list.clone(),
            a.org.clone(),
            a.address.clone(),
            a.stage.clone(),
            a.opened.clone(),
            or_dash(Some(&by.join(","))),
        ]
    },
};

pub(crate) fn application(a: &ApplicationRow) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("id", a.id.clone()),
        ("list", a.list.clone()),
        ("stage", a.stage.clone()),
        ("org", a.org.clone()),
        ("title", a.title.clone()),
        ("kind", a.kind.clone()),
        ("website", a.website.clone()),
        ("upstream", a.upstream.clone()),
        ("users", a.users.clone()),
        ("address", a.address.clone()),
        ("member", a.member.clone()),
        ("fingerprint", a.fingerprint.clone()),
        ("founding", yes_no(a.founding)),
        ("since", a.opened.clone()),
        ("vouchers until", or_dash(a.vouch_until.as_deref())),
        ("lapses", or_dash(a.lapses.as_deref())),
        ("ballot", or_dash(a.ballot.as_deref())),
    ];
    pairs.extend(a.vouchers.iter().map(|voucher| {
        let how = if voucher.statement.is_some() { "by a signed statement" } else { "by signed mail" };
        let org = or_dash(voucher.org.as_deref());
        ("vouched by", format!("{} of {org}, {how}, {}", voucher.by, voucher.at))
    }));
    pairs.extend(a.answers.iter().map(|(criterion, answer)| ("says", format!("{criterion}: {answer}"))));
    pairs
}
