//! Reads the commands out of a document, and compares what it shows with what happened.

/// One command and what it shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Where it stands in the document.
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) output: Vec<String>,
}

/// The commands of all `console` blocks.
pub(crate) fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    let mut fresh = false;
    for (number, line) in text.lines().enumerate() {
        match (inside, line) {
            (false, "```console") => (inside, fresh) = (true, true),
            (false, _) => {}
            (true, "```") => inside = false,
            (true, line) => match line.strip_prefix("$ ") {
                Some(command) => {
                    steps.push(Step { line: number + 1, command: command.to_owned(), output: Vec::new() });
                    fresh = false;
                }
                None => {
                    assert!(!fresh, "line {}: output without a command", number + 1);
                    steps.last_mut().unwrap().output.push(line.to_owned());
                }
            },
        }
    }
    steps
}

/// Names that were shown, with the real ones.
pub(crate) type Names = Vec<(String, String)>;

/// Whether the real lines are what was shown; then, what the shown names are really called.
pub(crate) fn matches(shown: &[String], real: &[String]) -> Option<Names> {
    let Some((first, rest)) = shown.split_first() else {
        return real.iter().all(|line| line.trim().is_empty()).then(Vec::new);
    };
    if first.trim() == "…" {
        return (0..=real.len()).find_map(|skipped| matches(rest, &real[skipped..]));
    }
    let (line, others) = real.split_first()?;
    let here = words(&tokens(first), &tokens(line))?;
    Some([here, matches(rest, others)?].concat())
}

fn words(shown: &[String], real: &[String]) -> Option<Names> {
    let Some((first, rest)) = shown.split_first() else { return real.is_empty().then(Vec::new) };
    if first == "…" {
        return (0..=real.len()).find_map(|skipped| words(rest, &real[skipped..]));
    }
    let (word, others) = real.split_first()?;
    let digits = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    let names = match kind(first) {
        _ if first == word => Vec::new(),
        // How large a number was shown decides, not how large it turns out.
        Some(Kind::Number) if digits(word) => Vec::new(),
        Some(shown) if kind(word) == Some(shown) => vec![(first.clone(), word.clone())],
        _ => return None,
    };
    Some([names, words(rest, others)?].concat())
}

/// Words, numbers and signs, without the spaces between.
fn tokens(line: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in line.chars() {
        if c.is_alphanumeric() || c == '-' || c == ':' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            tokens.push(c.to_string());
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

/// What a word is that may differ from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Id,
    Member,
    Hex(usize),
    Time,
    Number,
    /// A DKIM key's name, which has its day.
    Selector,
}

fn kind(word: &str) -> Option<Kind> {
    let all = |word: &str, test: fn(char) -> bool| word.chars().all(test);
    let base32 = |c: char| matches!(c, 'a'..='z' | '2'..='7');
    if word.len() == 26 && all(word, base32) {
        Some(Kind::Id)
    } else if word.strip_prefix("m-").is_some_and(|rest| rest.len() == 16 && all(rest, base32)) {
        Some(Kind::Member)
    } else if word.len() >= 16 && all(word, |c| c.is_ascii_hexdigit()) {
        Some(Kind::Hex(word.len()))
    } else if word.len() == 20
        && word.ends_with('Z')
        && all(word, |c| c.is_ascii_digit() || "-:TZ".contains(c))
    {
        Some(Kind::Time)
    } else if word
        .strip_prefix("vs")
        .and_then(|rest| rest.get(..8))
        .is_some_and(|day| all(day, |c| c.is_ascii_digit()))
    {
        Some(Kind::Selector)
    } else if word.len() >= 3 && all(word, |c| c.is_ascii_digit()) {
        Some(Kind::Number)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(shown: &str, real: &str) -> Option<Names> {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        matches(&lines(shown), &lines(real))
    }

    #[test]
    fn only_console_blocks_hold_commands() {
        let text = "$ no\n```sh\n$ no\n```\n```console\n$ yes one\nshown\n$ yes two\n```\n$ no\n";
        let found = steps(text);
        let commands: Vec<_> = found.iter().map(|s| (s.line, s.command.as_str(), s.output.len())).collect();
        assert_eq!(commands, [(6, "yes one", 1), (8, "yes two", 0)]);
    }

    #[test]
    fn what_differs_in_words_is_found() {
        assert!(compare("a  b\n", "a b").is_some());
        assert!(compare("a b", "a c").is_none());
        assert!(compare("a", "a\nb").is_none(), "a line too many");
        assert!(compare("a\nb", "a").is_none(), "a line too few");
        assert!(compare("held 1", "held 2").is_none(), "small numbers count");
        assert!(compare("process 461", "process 7").is_some(), "large ones do not");
    }

    #[test]
    fn dots_stand_for_lines_and_for_words() {
        assert!(compare("…\nlast", "one\ntwo\nlast").is_some());
        assert!(compare("first\n…", "first").is_some());
        assert!(compare("0 errors, …", "0 errors, 3 warnings, 1 note").is_some());
        assert!(compare("0 errors, …", "1 error, 3 warnings").is_none());
    }

    #[test]
    fn shown_ids_learn_their_real_names() {
        let names = compare(
            "mail agraagjn6itsfsormdx442wrd4 is gone at 2026-11-21T21:52:59Z",
            "mail bgraagjn6itsfsormdx442wrd5 is gone at 2027-01-01T00:00:00Z",
        );
        assert_eq!(names.unwrap()[0].1, "bgraagjn6itsfsormdx442wrd5");
        assert!(compare("id agraagjn6itsfsormdx442wrd4", "id none").is_none());
    }
}
