//! The page of the settings, made from the annotated example file, so that there is one description of each.

use std::mem::take;

use super::roff::{Page, Text};

/// The page's name; the file is called after it.
pub(super) const NAME: &str = "vouchsafe-relay.toml";

const EXAMPLE: &str = include_str!("../../../config/relay.toml");

pub(super) fn page(date: &str) -> Page {
    let mut text = Text::titled(NAME, 5, date);
    text.heading("NAME");
    text.text(format!("{NAME} - settings of the mailing-list relay vouchsafe"));
    text.heading("SYNOPSIS");
    text.text("/etc/vouchsafe/relay.toml");
    text.heading("DESCRIPTION");
    text.text(
        "One file in TOML holds all settings. The program reads what --config names, else what $VOUCHSAFE_CONFIG \
         names, else /etc/vouchsafe/relay.toml. Paths count from the file's folder. Durations are written \"30d\", \
         \"4h\", \"5m\", \"90s\". An unknown key is an error, never ignored.",
    );
    text.paragraph(
        "Each setting stands here with its default, or with an example where it has none. The daemon reads the file \
         when it starts and at vouchsafe-reload(1), which names what needs a restart; ask vouchsafe-check(1) before.",
    );
    for piece in pieces(EXAMPLE) {
        match piece {
            Piece::Heading(title) => text.heading(&title),
            Piece::Section(name) => text.subheading(&name),
            Piece::Prose(prose) => text.paragraph(prose),
            Piece::Keys { keys, meaning } if meaning.is_empty() => text.typed(&keys.join("\n")),
            Piece::Keys { keys, meaning } => text.terms(keys, &meaning),
        }
    }
    text.see_also(&["vouchsafe", "vouchsafe-check", "vouchsafe-init"].map(|name| (name.to_owned(), 1)));
    Page { name: NAME.to_owned(), section: 5, text: text.end() }
}

/// What the example file consists of.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// `# ---- mail in ----`.
    Heading(String),
    /// `[smtp]`.
    Section(String),
    /// A comment that belongs to no key.
    Prose(String),
    /// Keys that stand together, and the comment above them; or a word and what it means.
    Keys { keys: Vec<String>, meaning: String },
}

#[derive(Default)]
struct Reader {
    pieces: Vec<Piece>,
    keys: Vec<String>,
    comment: String,
}

fn pieces(example: &str) -> Vec<Piece> {
    let mut reader = Reader::default();
    // What stands above the first heading explains the file as a file; the page does that in words of its own.
    for line in example.lines().skip_while(|line| heading(line).is_none()) {
        reader.line(line);
    }
    reader.flush();
    reader.pieces
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(title) = heading(line) {
            self.flush();
            self.pieces.push(Piece::Heading(title.to_uppercase()));
        } else if line.starts_with('[') {
            // A comment right above a section is about all of it.
            let about = if self.keys.is_empty() { take(&mut self.comment) } else { String::new() };
            self.flush();
            self.pieces.push(Piece::Section(line.to_owned()));
            self.prose(about);
        } else if let Some(key) = key(line) {
            self.keys.push(key.to_owned());
        } else if let Some((word, meaning)) = word(line) {
            self.flush();
            self.keys.push(word.to_owned());
            self.comment = meaning.to_owned();
        } else {
            let comment = line.trim_start_matches('#');
            let goes_on = comment.starts_with("    ");
            if comment.trim().is_empty() || !self.keys.is_empty() && !goes_on {
                self.flush();
            }
            if !self.comment.is_empty() {
                self.comment.push(' ');
            }
            self.comment.push_str(comment.trim());
        }
    }

    fn flush(&mut self) {
        let (keys, comment) = (take(&mut self.keys), take(&mut self.comment));
        if keys.is_empty() {
            self.prose(comment)
        } else {
            self.pieces.push(Piece::Keys { keys, meaning: comment })
        }
    }

    fn prose(&mut self, comment: String) {
        if !comment.is_empty() {
            self.pieces.push(Piece::Prose(comment));
        }
    }
}

fn heading(line: &str) -> Option<&str> {
    Some(line.strip_prefix("# ----")?.trim_matches(['-', ' ']))
}

/// A setting, used or shown: `listen = …`, `#listen = …`.
fn key(line: &str) -> Option<&str> {
    let line = line.strip_prefix('#').unwrap_or(line);
    let name = line.split_once(" = ")?.0;
    name.chars().all(|c| c.is_ascii_lowercase() || c == '_').then_some(line)
}

/// A line of the table of a list's keys: `#   address     the address that …`.
fn word(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("#   ")?;
    let (word, meaning) = line.split_once("  ")?;
    (!word.is_empty() && !word.contains(' ')).then(|| (word, meaning.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_goes_with_the_keys_below_it_or_with_the_section() {
        let example = "# above\n\n# ---- mail in ----\n\n# About a.\n[a]\n# Two\n# lines.\n#x = 1\ny = 2\n# Other.\nz = 3\n[b]\n#n = 1\n\
                       #\n# Prose.\n#\n#   word    what\n#           it means\n#   next    more\n";
        let keys = |keys: &[&str], meaning: &str| Piece::Keys {
            keys: keys.iter().map(|k| (*k).to_owned()).collect(),
            meaning: meaning.to_owned(),
        };
        let expected = [
            Piece::Heading("MAIL IN".to_owned()),
            Piece::Section("[a]".to_owned()),
            Piece::Prose("About a.".to_owned()),
            keys(&["x = 1", "y = 2"], "Two lines."),
            keys(&["z = 3"], "Other."),
            Piece::Section("[b]".to_owned()),
            keys(&["n = 1"], ""),
            Piece::Prose("Prose.".to_owned()),
            keys(&["word"], "what it means"),
            keys(&["next"], "more"),
        ];
        assert_eq!(pieces(example), expected);
    }

    #[test]
    fn every_setting_of_the_example_is_on_the_page() {
        let text = page("").text.replace("\\-", "-");
        let mut settings = 0;
        for line in EXAMPLE.lines() {
            let shown = key(line).map(|setting| setting.replace('\\', "\\\\"));
            if let Some(setting) = shown.as_deref().or(line.starts_with('[').then_some(line)) {
                assert!(text.contains(setting), "{setting}");
                settings += 1;
            }
        }
        assert!(settings > 60, "only {settings} settings were found");
    }
}
