//! One command line, understood. Paths are read here from the raw line: `smtp-proto` drops the quotes of quoted local
//! parts and makes `<postmaster>` empty. Verbs and parameters are its business.

use smtp_proto::{Error, MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_SMTPUTF8, MailFrom, RcptTo, Request};

use crate::mail::address::Address;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// EHLO, HELO or LHLO, and what the client calls itself.
    Hello(Hello, String),
    /// MAIL FROM.
    Mail { from: Option<Address>, size: usize, utf8: bool },
    /// RCPT TO; `non_ascii` as it was written, before the domain came to its normal form.
    Rcpt { to: Forward, non_ascii: bool },
    /// DATA.
    Data,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// STARTTLS.
    StartTls,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
    /// A known command that we do not offer: EXPN, AUTH, ETRN and the like.
    NotOffered,
    /// BDAT: what follows is content, not commands.
    Bdat,
    /// A web browser, or somebody who uses one against us.
    Http,
}

/// Which hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    Ehlo,
    Helo,
    Lhlo,
}

/// Where a mail is to go.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// `<postmaster>` without a domain (RFC 5321 §4.1.1.3).
    Postmaster,
    /// A full address.
    To(Address),
}

/// A line that is no command, and how to say so.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) code: u16,
    pub(super) status: &'static str,
    pub(super) text: &'static str,
}

const fn malformed(code: u16, status: &'static str, text: &'static str) -> Malformed {
    Malformed { code, status, text }
}

const UNKNOWN: Malformed = malformed(500, "5.5.1", "Unknown command");
const BYTES: Malformed = malformed(500, "5.5.2", "A command has no control characters and is valid UTF-8");
const NO_ARGUMENT: Malformed = malformed(501, "5.5.4", "This command takes no argument");
const ARGUMENT: Malformed = malformed(501, "5.5.4", "The argument of this command is missing or wrong");
const PARAMETER: Malformed = malformed(555, "5.5.4", "A parameter is not known or not offered");
const VALUE: Malformed = malformed(501, "5.5.4", "The value of a parameter is wrong");
const MAIL_SYNTAX: Malformed = malformed(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]");
const RCPT_SYNTAX: Malformed = malformed(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]");
const SENDER: Malformed = malformed(501, "5.1.7", "The sender's address is not well-formed");
const RECIPIENT: Malformed = malformed(501, "5.1.3", "The recipient's address is not well-formed");
/// RFC 6531 §3.5.
const NEEDS_UTF8: Malformed = malformed(550, "5.6.7", "An address with letters outside ASCII needs SMTPUTF8");

/// The command that a line (without its CRLF) holds.
pub(super) fn parse(line: &[u8]) -> Result<Command, Malformed> {
    let line = std::str::from_utf8(line).map_err(|_| BYTES)?;
    // RFC 5321 §4.1.2: no control characters, not even in quoted strings.
    if line.chars().any(char::is_control) {
        return Err(BYTES);
    }
    // RFC 5321 §4.1.1: white space at the end is tolerated.
    let line = line.trim_end_matches(' ');
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    match verb.to_ascii_uppercase().as_str() {
        "MAIL" => mail(argument),
        "RCPT" => rcpt(argument),
        "DATA" | "RSET" | "QUIT" | "STARTTLS" if !argument.is_empty() => Err(NO_ARGUMENT),
        "BDAT" => Ok(Command::Bdat),
        "GET" | "POST" | "PUT" | "HEAD" | "DELETE" | "OPTIONS" | "CONNECT" | "TRACE" | "PATCH" => {
            Ok(Command::Http)
        }
        verb @ ("EHLO" | "HELO" | "LHLO") => hello(verb, argument),
        _ => other(line),
    }
}

/// RFC 5321 §4.1.1.1; the name is kept, never believed.
fn hello(verb: &str, name: &str) -> Result<Command, Malformed> {
    let kind = match verb {
        "EHLO" => Hello::Ehlo,
        "LHLO" => Hello::Lhlo,
        _ => Hello::Helo,
    };
    let right = (1..=255).contains(&name.len()) && !name.contains(' ');
    if right { Ok(Command::Hello(kind, name.to_owned())) } else { Err(ARGUMENT) }
}

fn other(line: &str) -> Result<Command, Malformed> {
    match request(line) {
        Ok(Request::Data) => Ok(Command::Data),
        Ok(Request::Rset) => Ok(Command::Rset),
        Ok(Request::Noop { .. }) => Ok(Command::Noop),
        Ok(Request::Quit) => Ok(Command::Quit),
        Ok(Request::StartTls) => Ok(Command::StartTls),
        Ok(Request::Vrfy { .. }) => Ok(Command::Vrfy),
        Ok(Request::Help { .. }) => Ok(Command::Help),
        Ok(_) => Ok(Command::NotOffered),
        Err(Error::UnknownCommand) => Err(UNKNOWN),
        Err(_) => Err(ARGUMENT),
    }
}

/// RFC 5321 §4.1.1.2.
fn mail(argument: &str) -> Result<Command, Malformed> {
    let (path, parameters) = split_path(argument, "FROM:").ok_or(MAIL_SYNTAX)?;
    let from = if path.is_empty() { None } else { Some(without_route(path).parse().map_err(|_| SENDER)?) };
    let given = match request(&format!("MAIL FROM:<>{parameters}")) {
        Ok(Request::Mail { from }) => from,
        Ok(_) | Err(Error::SyntaxError { .. }) => return Err(MAIL_SYNTAX),
        Err(Error::InvalidParameter { .. }) => return Err(VALUE),
        Err(_) => return Err(PARAMETER),
    };
    // RFC 1870 §3: at most 20 digits; the parser would wrap around beyond.
    if parameters.split(' ').any(|p| p.to_ascii_uppercase().starts_with("SIZE=") && p.len() > 25) {
        return Err(VALUE);
    }
    let (size, flags) = (given.size, given.flags);
    let offered = MAIL_SMTPUTF8 | MAIL_BODY_7BIT | MAIL_BODY_8BITMIME;
    // RFC 5321 §4.1.1.11: whatever else the parser knows (DSN, REQUIRETLS, BINARYMIME, …) is not ours.
    if flags & !offered != 0 || given != (MailFrom { size, flags, ..MailFrom::default() }) {
        return Err(PARAMETER);
    }
    let utf8 = flags & MAIL_SMTPUTF8 != 0;
    if !path.is_ascii() && !utf8 {
        return Err(NEEDS_UTF8);
    }
    Ok(Command::Mail { from, size, utf8 })
}

/// RFC 5321 §4.1.1.3.
fn rcpt(argument: &str) -> Result<Command, Malformed> {
    let (path, parameters) = split_path(argument, "TO:").ok_or(RCPT_SYNTAX)?;
    let to = if path.eq_ignore_ascii_case("postmaster") {
        Forward::Postmaster
    } else {
        Forward::To(without_route(path).parse().map_err(|_| RECIPIENT)?)
    };
    match request(&format!("RCPT TO:<>{parameters}")) {
        Ok(Request::Rcpt { to: given }) if given == RcptTo::default() => {}
        Ok(Request::Rcpt { .. }) => return Err(PARAMETER),
        Ok(_) | Err(Error::SyntaxError { .. }) => return Err(RCPT_SYNTAX),
        Err(Error::InvalidParameter { .. }) => return Err(VALUE),
        Err(_) => return Err(PARAMETER),
    }
    Ok(Command::Rcpt { to, non_ascii: !path.is_ascii() })
}

/// The reply for a recipient that needs SMTPUTF8 where it was not asked for.
pub(super) const fn needs_utf8() -> Malformed {
    NEEDS_UTF8
}

fn request(line: &str) -> Result<Request<String>, Error> {
    let line = format!("{line}\r\n");
    Request::parse(&mut line.as_bytes().iter()).map(Request::into_owned)
}

/// What stands between the angle brackets behind `keyword`, and what follows them: nothing, or a space and parameters.
/// A `>` inside a quoted string ends nothing.
fn split_path<'a>(argument: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (word, rest) = argument.split_at_checked(keyword.len())?;
    if !word.eq_ignore_ascii_case(keyword) {
        return None;
    }
    // A space behind the colon is wrong, common and harmless.
    let rest = rest.trim_start_matches(' ').strip_prefix('<')?;
    let (mut quoted, mut escaped) = (false, false);
    let end = rest.find(|c| {
        let ends = c == '>' && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        ends
    })?;
    let (path, behind) = rest.split_at_checked(end)?;
    let parameters = behind.strip_prefix('>')?;
    (parameters.is_empty() || parameters.starts_with(' ')).then_some((path, parameters))
}

/// RFC 5321 §4.1.1.3 and appendix C: a source route is accepted and ignored.
fn without_route(path: &str) -> &str {
    if !path.starts_with('@') {
        return path;
    }
    let mut literal = false;
    let colon = path.find(|c| {
        match c {
            '[' => literal = true,
            ']' => literal = false,
            _ => {}
        }
        c == ':' && !literal
    });
    colon.and_then(|at| path.get(at + 1..)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> u16 {
        parse(line.as_bytes()).unwrap_err().code
    }

    fn mail_from(path: &str) -> Command {
        Command::Mail { from: Some(path.parse().unwrap()), size: 0, utf8: false }
    }

    fn to(line: &str) -> Option<String> {
        match parse(line.as_bytes()) {
            Ok(Command::Rcpt { to: Forward::To(address), .. }) => Some(address.to_string()),
            _ => None,
        }
    }

    #[test]
    fn paths_keep_their_quotes_and_lose_their_routes() {
        assert_eq!(to("RCPT TO:<\"a b\"@example.org>").unwrap(), "\"a b\"@example.org");
        assert_eq!(to("rcpt to: <\"x>y\\\"@\"@example.org>").unwrap(), "\"x>y\\\"@\"@example.org");
        assert_eq!(to("RCPT TO:<@a.example,@[IPv6:::1]:b@example.org>").unwrap(), "b@example.org");
        assert_eq!(parse(b"MAIL FROM:<a@example.org>"), Ok(mail_from("a@example.org")));
        assert_eq!(parse(b"MAIL FROM:<>"), Ok(Command::Mail { from: None, size: 0, utf8: false }));
    }

    #[test]
    fn the_bare_postmaster_is_somebody() {
        let postmaster = Ok(Command::Rcpt { to: Forward::Postmaster, non_ascii: false });
        assert_eq!(parse(b"RCPT TO:<PostMaster>"), postmaster);
        assert_eq!(code("RCPT TO:<>"), 501);
        assert_eq!(code("MAIL FROM:<postmaster>"), 501, "only as a recipient");
    }

    #[test]
    fn parameters_that_we_offer_are_taken_and_others_refused() {
        let with = Command::Mail { from: None, size: 77, utf8: true };
        assert_eq!(parse(b"MAIL FROM:<> SIZE=77 BODY=8BITMIME SMTPUTF8 "), Ok(with));
        for other in ["RET=FULL", "ENVID=x", "AUTH=<>", "BODY=BINARYMIME", "REQUIRETLS", "X=1", "BY=1;R"] {
            assert_eq!(code(&format!("MAIL FROM:<> {other}")), 555, "{other}");
        }
        for wrong in ["SIZE=", "SIZE=x", "SIZE=1x", "SIZE=99999999999999999999999", "BODY=9BIT"] {
            assert_eq!(code(&format!("MAIL FROM:<> {wrong}")), 501, "{wrong}");
        }
        assert_eq!(code("RCPT TO:<a@example.org> NOTIFY=NEVER"), 555);
        assert_eq!(code("RCPT TO:<a@example.org> X"), 555);
    }

    #[test]
    fn nonsense_has_its_code() {
        for (line, expected) in [
            ("", 500),
            ("FOO", 500),
            ("MAILFROM:<a@example.org>", 500),
            ("NO\0OP", 500),
            ("EHLO\tx", 500),
            ("DATA now", 501),
            ("QUIT x", 501),
            ("EHLO", 501),
            ("EHLO a b", 501),
            ("VRFY", 501),
            ("MAIL FROM:a@example.org", 501),
            ("MAIL FROM:<a@example.org", 501),
            ("MAIL FROM:<a@example.org>SIZE=1", 501),
            ("MAIL FROM:<a b@example.org>", 501),
            ("MAIL TO:<a@example.org>", 501),
            ("RCPT TO:<\"a@example.org>", 501),
            ("RCPT TO:<@a.example:>", 501),
        ] {
            assert_eq!(code(line), expected, "{line:?}");
        }
        assert_eq!(parse(b"NOOP \xff").unwrap_err(), BYTES);
    }

    #[test]
    fn letters_outside_ascii_need_to_be_announced() {
        assert_eq!(code("MAIL FROM:<ü@example.org>"), 550);
        assert_eq!(code("MAIL FROM:<u@bücher.example>"), 550);
        assert!(parse("MAIL FROM:<ü@bücher.example> SMTPUTF8".as_bytes()).is_ok());
    }
}
