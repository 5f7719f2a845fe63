//! A domain's MTA-STS policy as text, and the hosts that it names (RFC 8461 §3.2, §4.1).

use std::time::Duration;

use crate::ledger::sts::Mode;

/// RFC 8461 §3.2: "max_age … Plaintext non-negative integer seconds, maximum value of 31557600".
const LONGEST: u64 = 31_557_600;

/// How many host patterns one policy may have.
const PATTERNS: usize = 100;

/// A policy as fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) mode: Mode,
    pub(crate) mx: Vec<String>,
    pub(crate) max_age: Duration,
}

/// Reads a policy.
///
/// # Errors
/// What is wrong with it, without a word of its text.
pub(crate) fn parse(text: &str) -> Result<Policy, &'static str> {
    let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
    // RFC 8461 §3.2: lines end in CRLF or LF, and the last one need not.
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if line.trim().is_empty() {
            continue;
        }
        let (key, value) = line.split_once(':').ok_or("the policy has a line without a colon")?;
        let value = value.trim_matches([' ', '\t']);
        match key.trim_matches([' ', '\t']) {
            // RFC 8461 §3.2: of a field that stands there twice the first counts.
            "version" => _ = version.get_or_insert(value),
            "mode" => _ = mode.get_or_insert(value),
            "max_age" => _ = max_age.get_or_insert(value),
            "mx" => mx.push(pattern(value).ok_or("the policy has an mx that is no host name")?),
            // RFC 8461 §3.2: extension fields are not errors.
            _ => {}
        }
    }
    if version != Some("STSv1") {
        return Err("the policy is not of version STSv1");
    }
    let mode = match mode {
        Some("enforce") => Mode::Enforce,
        Some("testing") => Mode::Testing,
        Some("none") => Mode::None,
        _ => return Err("the policy has no mode that is known"),
    };
    let digits = max_age.filter(|age| !age.is_empty() && age.bytes().all(|b| b.is_ascii_digit()));
    let seconds: u64 = digits.and_then(|age| age.parse().ok()).ok_or("the policy has no max_age")?;
    if mx.is_empty() && mode != Mode::None {
        return Err("the policy names no mx");
    }
    if mx.len() > PATTERNS {
        return Err("the policy names too many mx");
    }
    Ok(Policy { mode, mx, max_age: Duration::from_secs(seconds.min(LONGEST)) })
}

/// A host name or `*.` and a domain, in the form in which names are compared.
fn pattern(text: &str) -> Option<String> {
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let is_name = !bare.is_empty()
        && bare.len() <= 253
        && bare.split('.').all(|label| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        });
    is_name.then(|| text.to_ascii_lowercase())
}

/// RFC 8461 §4.1: a pattern that begins with `*.` stands for exactly one label.
pub(crate) fn names(patterns: &[String], host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
        None => *pattern == host,
    })
}

/// The id in a domain's `_mta-sts` TXT records (RFC 8461 §3.1): none when the domain has no policy.
pub(crate) fn announced(records: &[Vec<u8>]) -> Option<String> {
    use mail_auth::common::parse::TxtRecordParser;
    // RFC 8461 §3.1: records that begin otherwise are not looked at, and more than one of ours is as good as none.
    let mut ours = records.iter().filter(|record| record.starts_with(b"v=STSv1;"));
    let record = ours.next().filter(|_| ours.next().is_none())?;
    let id = mail_auth::mta_sts::MtaSts::parse(record).ok()?.id;
    // sts-id = 1*32(ALPHA / DIGIT)
    let right = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    right.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n\
        mx: backupmx.example.com\r\nmax_age: 604800\r\n";

    #[test]
    fn the_example_of_the_standard_is_read() {
        let policy = parse(EXAMPLE).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, Duration::from_secs(604_800)));
        assert_eq!(policy.mx, ["mail.example.com", "*.example.net", "backupmx.example.com"]);
        assert_eq!(parse(&EXAMPLE.replace("\r\n", "\n")).unwrap(), policy);
        assert_eq!(parse(EXAMPLE.trim_end()).unwrap(), policy, "without the last line's end");
        assert_eq!(parse(&format!("{EXAMPLE}x-later: thing\nmode: none\n")).unwrap(), policy);
    }

    #[test]
    fn a_policy_that_is_none_is_refused() {
        for (from, to) in [
            ("version: STSv1", "version: STSv2"),
            ("version: STSv1\r\n", ""),
            ("mode: enforce", "mode: hope"),
            ("mode: enforce\r\n", ""),
            ("max_age: 604800", "max_age: -1"),
            ("max_age: 604800", "max_age: 1e9"),
            ("max_age: 604800", "max_age:"),
            ("mx: mail.example.com", "mx: *.*.example.com"),
            ("mx: mail.example.com", "mx: mail..example.com"),
            ("mx: mail.example.com", "nonsense"),
        ] {
            assert!(parse(&EXAMPLE.replace(from, to)).is_err(), "{to}");
        }
        assert!(parse("version: STSv1\nmode: enforce\nmax_age: 1").is_err(), "no mx");
        assert!(parse("").is_err() && parse("<html>").is_err());
        let many = format!("version: STSv1\nmode: enforce\nmax_age: 1\n{}", "mx: a.example\n".repeat(101));
        assert!(parse(&many).is_err());
    }

    #[test]
    fn a_policy_can_say_that_there_is_none_and_lasts_a_year_at_most() {
        let none = parse("version: STSv1\nmode: none\nmax_age: 99999999999").unwrap();
        assert_eq!((none.mode, none.max_age.as_secs()), (Mode::None, LONGEST));
    }

    #[test]
    fn a_star_is_one_label() {
        let patterns = parse(EXAMPLE).unwrap().mx;
        for (host, named) in [
            ("mail.example.com", true),
            ("MAIL.Example.com.", true),
            ("mx1.example.net", true),
            ("a.mx1.example.net", false),
            ("example.net", false),
            (".example.net", false),
            ("evilexample.net", false),
            ("mail.example.com.evil.example", false),
        ] {
            assert_eq!(names(&patterns, host), named, "{host}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_a_policy_or_is_refused(text in "(version: STSv1\n)?(mode: enforce\r?\n)?(mx: \\PC{0,20}\n){0,3}\\PC*(max_age: [0-9]{0,25})?") {
            if let Ok(policy) = parse(&text) {
                proptest::prop_assert!(policy.max_age.as_secs() <= LONGEST);
                proptest::prop_assert!(policy.mode == Mode::None || !policy.mx.is_empty());
            }
        }

        #[test]
        fn whatever_is_announced_has_a_right_id_or_none(record in proptest::collection::vec(0u8..=255, 0..60)) {
            let record = [b"v=STSv1;".as_slice(), &record].concat();
            let id = announced(&[record]);
            proptest::prop_assert!(id.is_none_or(|id| (1..=32).contains(&id.len())));
        }
    }

    #[test]
    fn one_record_announces_a_policy() {
        let of =
            |records: &[&str]| announced(&records.iter().map(|r| r.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(of(&["v=STSv1; id=20160831085700Z;"]).as_deref(), Some("20160831085700Z"));
        assert_eq!(of(&["other text", "v=STSv1; id=1"]).as_deref(), Some("1"));
        for none in [
            &["v=STSv1; id=1", "v=STSv1; id=2"][..],
            &["v=STSv1;"],
            &["v=STSv1; id="],
            &["v=STSv1; id=a-b"],
            &["id=1; v=STSv1;"],
            &["v=STSv2; id=1"],
            &["v=STSv1; id=123456789012345678901234567890123"],
            &[],
        ] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
