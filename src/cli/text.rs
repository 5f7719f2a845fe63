//! Text for a terminal: addresses, names and reasons come from outside, and may hold what terminals obey.

use std::fmt::Write as _;

/// Whether a terminal would not show this character but act on it, or show the text around it in another order.
fn acts(c: char) -> bool {
    // C0, DEL and C1; line and paragraph separators; zero width; the bidirectional controls (UAX #9); byte order mark.
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
        || matches!(c, '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, with everything written out that a terminal would act on.
pub(super) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// The same for armor, which has lines.
pub(super) fn lines(text: &str) -> String {
    let mut out: String = text.lines().map(|line| one_line(line) + "\n").collect();
    out.truncate(out.trim_end_matches('\n').len());
    out.push('\n');
    out
}

/// The same JSON with those characters as escapes. They can stand only inside strings, where both forms mean the same;
/// line feeds alone stand outside, and inside they are escaped already.
pub(super) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' || !acts(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// A time in its two largest units: `3d 4h`, `5m 2s`.
pub(super) fn period(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, name) in units {
        if left >= size && parts.len() < 2 {
            parts.push(format!("{}{name}", left / size));
            left %= size;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_of_every_sort_are_written_out() {
        assert_eq!(one_line("a\x1b]0;x\x07b"), "a\\u{1b}]0;x\\u{7}b");
        assert_eq!(one_line("\u{9b}31m"), "\\u{9b}31m", "C1 works without an escape character");
        assert_eq!(one_line("evil\u{202e}gro.elpmaxe"), "evil\\u{202e}gro.elpmaxe");
        assert_eq!(one_line("jörg@bücher.example 日本"), "jörg@bücher.example 日本");
    }

    #[test]
    fn armor_keeps_its_lines() {
        assert_eq!(
            lines("-----BEGIN\r\n\r\nabc\x1b\n-----END-----\n\n"),
            "-----BEGIN\n\nabc\\u{1b}\n-----END-----\n"
        );
    }

    proptest! {
        #[test]
        fn json_means_the_same_and_holds_nothing_that_acts(text in any::<String>()) {
            let before = serde_json::to_string_pretty(&[&text]).unwrap();
            let after = json(&before);
            prop_assert!(after.chars().all(|c| c == '\n' || !acts(c)));
            let back: Vec<String> = serde_json::from_str(&after).unwrap();
            prop_assert_eq!(back, vec![text]);
        }
    }

    #[test]
    fn a_period_has_two_units() {
        let shown = [0, 59, 62, 3_600, 93_784, 864_000].map(period);
        assert_eq!(shown, ["0s", "59s", "1m 2s", "1h", "1d 2h", "10d"]);
    }
}
