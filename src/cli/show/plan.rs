//! What an import would change.

use super::table::{Columns, json, or_dash, rows};
use crate::cli::text::one_line;
use crate::control::wire::{PlanItem, PlanRow, UnreachableRow};

const ITEMS: Columns<PlanItem> = Columns {
    none: "nothing differs",
    heads: &["CHANGE", "LIST", "WHO", "WHAT", "RULE AGAINST IT"],
    cells: |item| {
        vec![
            item.change.clone(),
            or_dash(item.list.as_deref()),
            item.who.clone(),
            or_dash(Some(&item.what.join("; "))),
            or_dash(item.rule.as_deref()),
        ]
    },
};

const UNREACHABLE: Columns<UnreachableRow> = Columns {
    none: "",
    heads: &["LIST", "ADDRESS", "CANNOT RECEIVE MAIL TODAY"],
    cells: |row| vec![row.list.clone(), row.address.clone(), row.problem.clone()],
};

/// The differences, who cannot receive mail today, and what should be known besides.
pub(crate) fn plan(plan: &PlanRow, as_json: bool) -> String {
    if as_json {
        return json(plan);
    }
    let mut text = rows(&plan.items, &ITEMS, false);
    if !plan.unreachable.is_empty() {
        text.push('\n');
        text.push_str(&rows(&plan.unreachable, &UNREACHABLE, false));
    }
    for remark in &plan.remarks {
        text.push_str(&format!("note: {}\n", one_line(remark)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_and_no_escapes() {
        let item = |change: &str, rule: Option<&str>| PlanItem {
            list: Some("announce".to_owned()),
            change: change.to_owned(),
            who: "psirt@acme.example".to_owned(),
            what: vec!["standing: active, before: suspended".to_owned()],
            rule: rule.map(ToOwned::to_owned),
        };
        let row = PlanRow {
            items: vec![item("change", None), item("add", Some("\u{1b}[2J taken"))],
            unreachable: vec![UnreachableRow {
                list: "announce".to_owned(),
                address: "psirt@acme.example".to_owned(),
                problem: "expired".to_owned(),
            }],
            remarks: vec!["a word".to_owned()],
            digest: String::new(),
        };
        let text = plan(&row, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "{text}");
        assert!(lines[2].contains("\\u{1b}[2J taken"), "{text}");
        assert!(lines[5].ends_with("expired"), "{text}");
        assert_eq!(lines[6], "note: a word");
        assert_eq!(plan(&PlanRow::default(), false), "nothing differs\n");
    }
}
