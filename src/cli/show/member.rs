//! Members, for people.

use super::table::{Columns, or_dash, yes_no};
use crate::control::wire::MemberRow;

pub(crate) const MEMBERS: Columns<MemberRow> = Columns {
    none: "no members",
    heads: &["LIST", "ORG", "ADDRESS", "STANDING", "RECEIVES", "UNTIL", "FINGERPRINT", "PROBLEM"],
    cells: |m| {
        vec![
            m.list.clone(),
            or_dash(m.org.as_deref()),
            m.address.clone(),
            m.standing.clone(),
            yes_no(m.can_receive),
            until(m),
            m.fingerprint.clone(),
            against(m),
        ]
    },
};

/// What is wrong with it, or may be.
pub(crate) fn against(m: &MemberRow) -> String {
    let off = m.delivery_off.as_ref().map(|_| "delivery is off".to_owned());
    let all: Vec<String> = [m.problem.clone(), off, m.flag.clone()].into_iter().flatten().collect();
    or_dash(Some(&all.join("; ")))
}

/// The day is enough where many stand below each other.
pub(crate) fn until(m: &MemberRow) -> String {
    m.expires.as_deref().map_or("-", |at| at.split('T').next().unwrap_or(at)).to_owned()
}

pub(crate) fn member(m: &MemberRow) -> Vec<(&'static str, String)> {
    let optional = [("org", &m.org), ("name", &m.name), ("role", &m.role)];
    let mut pairs = vec![("list", m.list.clone()), ("id", m.id.clone())];
    pairs.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    pairs.extend([
        ("address", m.address.clone()),
        ("fingerprint", m.fingerprint.clone()),
        ("standing", m.standing.clone()),
        ("since", m.since.clone()),
        ("format", m.format.clone().unwrap_or_else(|| "by the rule".to_owned())),
        ("expires", m.expires.clone().unwrap_or_else(|| "never".to_owned())),
        ("terms", or_dash(m.terms.as_deref())),
        ("is read", or_dash(m.alias_probe.as_deref())),
        ("receives", yes_no(m.can_receive)),
        ("outlook", m.outlook.clone()),
        ("problem", or_dash(m.problem.as_deref())),
    ]);
    pairs.extend(m.delivery_off.iter().map(|at| ("delivery", format!("off since {at}"))));
    pairs.extend(m.aliases.iter().map(|alias| ("alias", alias.clone())));
    pairs.extend(m.further_certs.iter().map(|cert| ("also signs with", cert.clone())));
    pairs.extend(m.flag.iter().map(|flag| ("flag", flag.clone())));
    pairs.extend(m.staff.iter().map(|person| ("own people", person.clone())));
    pairs
}
