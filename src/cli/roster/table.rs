//! A table of people (CSV, RFC 4180): who is to belong, one row each, its columns named in the first line.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::names::{fingerprint, org_of};
use crate::control::wire::{OfferRow, Unread};

/// What a column is called, and what it is.
const COLUMNS: &[(&str, Column)] = &[
    ("address", Column::Address),
    ("email", Column::Address),
    ("fingerprint", Column::Fingerprint),
    ("list", Column::List),
    ("team", Column::Team),
    ("delivery", Column::Delivery),
    ("organisation", Column::Org),
    ("organization", Column::Org),
    ("org", Column::Org),
    ("title", Column::Title),
    ("name", Column::Name),
    ("role", Column::Role),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Address,
    Fingerprint,
    List,
    Team,
    Delivery,
    Org,
    Title,
    Name,
    Role,
}

/// What a table has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) rows: Vec<OfferRow>,
    pub(super) unread: Vec<Unread>,
    /// Columns that mean nothing here.
    pub(super) ignored: Vec<String>,
}

/// Why a file cannot be read as a table.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTable {
    /// Not UTF-8, or a quote that does not end.
    #[error("line {line} cannot be read: {why}")]
    Line {
        /// From 1.
        line: u64,
        /// Why.
        why: String,
    },
    /// No column has addresses.
    #[error(
        "no column is called address or email; the first line names the columns: address, fingerprint, organisation, title, name, role, team, delivery, list"
    )]
    NoAddress,
    /// Two columns say the same.
    #[error("two columns are for the {0}")]
    Twice(String),
}

/// Reads a table. What divides its columns (comma, semicolon or tab) the first line shows.
pub(super) fn read(text: &[u8]) -> Result<Table, NoTable> {
    // Spreadsheets put a byte order mark in front.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut reader = ReaderBuilder::new().delimiter(divider(text)).trim(Trim::All).from_reader(text);
    let header = reader.headers().map_err(|error| unreadable(&error))?;
    let mut table = Table::default();
    let mut columns: Vec<Option<Column>> = Vec::new();
    for name in header {
        let known = COLUMNS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, what)| *what);
        if known.is_some() && columns.contains(&known) {
            return Err(NoTable::Twice(name.to_owned()));
        }
        if known.is_none() && !name.is_empty() {
            table.ignored.push(name.to_owned());
        }
        columns.push(known);
    }
    if !columns.contains(&Some(Column::Address)) {
        return Err(NoTable::NoAddress);
    }
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        match row(&columns, &record) {
            Ok(row) => table.rows.push(row),
            Err(why) => {
                let line = record.position().map_or(0, csv::Position::line);
                table.unread.push(Unread { what: format!("line {line}"), why });
            }
        }
    }
    Ok(table)
}

fn unreadable(error: &csv::Error) -> NoTable {
    let line = error.position().map_or(0, csv::Position::line);
    let why = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8".to_owned(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} columns, the first line {expected_len}")
        }
        _ => "it is no row of a table".to_owned(),
    };
    NoTable::Line { line, why }
}

fn divider(text: &[u8]) -> u8 {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |divider: u8| first.iter().filter(|byte| **byte == divider).count();
    [b',', b';', b'\t'].into_iter().max_by_key(|divider| (count(*divider), *divider == b',')).unwrap_or(b',')
}

fn row(columns: &[Option<Column>], record: &StringRecord) -> Result<OfferRow, String> {
    let text = |wanted| {
        let at = columns.iter().position(|column| *column == Some(wanted))?;
        record.get(at).filter(|text| !text.is_empty())
    };
    let given = text(Column::Address).ok_or("it has no address")?;
    let address: crate::control::wire::Address =
        given.parse().map_err(|error| format!("\"{given}\" is no address: {error}"))?;
    let fingerprint = text(Column::Fingerprint).map(fingerprint).transpose()?;
    let list = text(Column::List).map(str::parse).transpose();
    let list = list.map_err(|error: crate::id::NotAnId| error.to_string())?;
    let (org, title) = org_of(text(Column::Org), &address)?;
    let truth = |column, default| {
        text(column)
            .map_or(Ok(default), |text| truth(text).ok_or(format!("\"{text}\" is neither yes nor no")))
    };
    Ok(OfferRow {
        fingerprint,
        list,
        team: truth(Column::Team, false)?,
        delivery: truth(Column::Delivery, true)?,
        org,
        title: text(Column::Title).map_or(title, ToOwned::to_owned),
        name: text(Column::Name).map(ToOwned::to_owned),
        role: text(Column::Role).map(ToOwned::to_owned),
        address,
    })
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "1" | "x" | "on" => Some(true),
        "no" | "n" | "false" | "0" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "59C71FB38AEE22E091C78259D06350440F759BD3";

    #[test]
    fn a_table_of_a_spreadsheet_is_read() {
        let text = format!(
            "\u{feff}Email;Fingerprint;Organisation;Team;Delivery;Phone;Name\r\n\
             psirt@acme.example; 59C7 1FB3 8AEE 22E0 91C7  8259 D063 5044 0F75 9BD3 ;Acme Linux;;;1;\r\n\
             ;;;;;;\r\n\
             ada@team.example;{KEY};;yes;no;2;\"Ada; Lovelace\"\r\n"
        );
        let table = read(text.as_bytes()).unwrap();
        assert_eq!(table.unread, []);
        assert_eq!(table.ignored, ["Phone"]);
        let [acme, ada] = table.rows.as_slice() else { panic!("{:?}", table.rows) };
        assert_eq!(acme.fingerprint, Some(KEY.parse().unwrap()));
        assert_eq!((acme.org.as_str(), acme.title.as_str()), ("acme-linux", "Acme Linux"));
        assert!(!acme.team && acme.delivery);
        assert!(ada.team && !ada.delivery);
        assert_eq!(ada.name.as_deref(), Some("Ada; Lovelace"));
        assert_eq!((ada.org.as_str(), ada.title.as_str()), ("team-example", "team.example"));
    }

    #[test]
    fn a_row_that_cannot_be_read_is_named_and_the_others_are_read() {
        let text = "address,fingerprint,team\nno address,,\na@b.example,0F759BD3,\na@b.example,,perhaps\n,,yes\nc@d.example,,\n";
        let table = read(text.as_bytes()).unwrap();
        assert_eq!(table.rows.len(), 1);
        let said: Vec<_> = table.unread.iter().map(|u| (u.what.as_str(), u.why.as_str())).collect();
        assert_eq!(said[0].0, "line 2");
        assert!(said[0].1.starts_with("\"no address\" is no address"), "{said:?}");
        assert_eq!(said[1].0, "line 3");
        assert!(said[1].1.contains("40"), "a short key id is no identity: {said:?}");
        assert_eq!(said[2], ("line 4", "\"perhaps\" is neither yes nor no"));
        assert_eq!(said[3], ("line 5", "it has no address"));
    }

    #[test]
    fn what_is_no_table_is_refused_as_a_whole() {
        assert!(matches!(read(b"name,key\nAda,1\n"), Err(NoTable::NoAddress)));
        assert!(matches!(read(b"email,address\na@b.example,c@d.example\n"), Err(NoTable::Twice(_))));
        assert!(matches!(read(b"email,name\na@b.example\n"), Err(NoTable::Line { line: 2, .. })));
        assert!(matches!(read(b"email\n\xff\xfe\n"), Err(NoTable::Line { .. })));
        assert!(read(b"").is_err());
    }
}
