//! What the text of a letter is made of, and what all letters with tokens say.

use std::fmt::Write as _;

use crate::id::Token;
use crate::relay::command::WORD;
use crate::relay::world::List;
use crate::roster::errand::Errand;

/// What a text is made of.
pub(crate) struct Page<'a> {
    /// The list whose letter it is.
    pub(crate) list: &'a List,
    /// The errand.
    pub(crate) errand: &'a Errand,
    /// Its tokens, in the order of [`crate::roster::errand::About::aims`].
    pub(crate) tokens: &'a [Token],
}

/// A subject, without the list's title, and a text with lines ending in LF.
pub(crate) struct Said {
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// So long are the lines of a letter.
const WIDTH: usize = 76;

/// The same text with its long lines broken between words.
pub(crate) fn folded(text: &str) -> String {
    let mut folded = String::new();
    for line in text.lines() {
        let mut width = 0_usize;
        if line.chars().count() <= WIDTH {
            folded.push_str(line);
        } else {
            for word in line.split_whitespace() {
                let long = word.chars().count();
                if width > 0 && width.saturating_add(1).saturating_add(long) > WIDTH {
                    folded.push('\n');
                    width = 0;
                } else if width > 0 {
                    folded.push(' ');
                    width = width.saturating_add(1);
                }
                folded.push_str(word);
                width = width.saturating_add(long);
            }
        }
        folded.push('\n');
    }
    folded
}

impl Page<'_> {
    /// The token at this place: its word stands apart, so that a letter quoted without marks commands nothing.
    pub(crate) fn token(&self, nth: usize) -> &str {
        self.tokens.get(nth).map_or("", Token::as_str)
    }

    /// The same as it stands in a letter that has several: each on a line of its own, and below it until when it counts.
    pub(crate) fn offered(&self, nth: usize) -> String {
        let until = self.errand.ends().get(nth).copied().flatten();
        let until = until.map_or_else(String::new, |until| format!("    (until {until})\n"));
        format!("    {}\n{until}", self.token(nth))
    }

    /// How to answer, for the end of a letter with tokens.
    pub(crate) fn how_to_answer(&self) -> String {
        let mut text = format!(
            "To answer, write to\n\n    {}\n\nencrypted, and signed with your key\n\n    {}\n\n\
             Write on a line of its own the word {WORD}, a space, and the 26 letters and\ndigits from above. \
             What is quoted, attached or in HTML counts for nothing.\n",
            self.list.request(),
            self.errand.to.fingerprint,
        );
        let _ = match self.errand.until {
            Some(_) if self.tokens.len() > 1 => {
                writeln!(text, "Each counts once, from you alone, until the time that stands below it.")
            }
            Some(until) => writeln!(text, "They count once, from you alone, until {until}."),
            None => writeln!(text, "They count once, from you alone."),
        };
        text
    }
}

/// A text in lines of fewer than 80 characters, the first behind one indent, the others behind another. A word that is
/// longer stands alone.
pub(crate) fn wrapped(text: &str, first: &str, others: &str) -> String {
    let (mut lines, mut line, mut empty) = (String::new(), first.to_owned(), true);
    for word in text.split_whitespace() {
        if !empty && line.chars().count().saturating_add(word.chars().count()) >= 78 {
            lines.push_str(&line);
            lines.push('\n');
            line = others.to_owned();
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

/// The text with lines that every program shows whole: names make some of them longer. What is indented stays as it is.
pub(super) fn filled(text: &str) -> String {
    let mut all = String::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with(' ') {
            all.push_str(line);
            continue;
        }
        let mut width = 0;
        for word in line.split_inclusive(' ') {
            let long = word.trim_end().chars().count();
            if width > 0 && width + long > LINE {
                all.truncate(all.trim_end_matches(' ').len());
                all.push('\n');
                width = 0;
            }
            all.push_str(word);
            width += word.chars().count();
        }
    }
    all
}

/// RFC 5322 §2.1.1 has 78, and who quotes a line adds to it.
const LINE: usize = 76;
