//! What came of it, as the mail server in front understands it: an exit code of sysexits.h and a line that begins with an
//! enhanced status code (pipe(8)).

use std::fmt;

use super::reply::Reply;

/// The exit codes that are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// `EX_USAGE`: the command line is wrong.
    Usage = 64,
    /// `EX_DATAERR`: the mail itself is refused.
    Data = 65,
    /// `EX_NOUSER`: there is no such recipient.
    NoUser = 67,
    /// `EX_UNAVAILABLE`: refused for good for another reason.
    Unavailable = 69,
    /// `EX_TEMPFAIL`: the mail server shall try again.
    TempFail = 75,
    /// `EX_NOPERM`: refused by a rule of the relay.
    NoPerm = 77,
}

/// Why the mail was not taken, wholly or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: Code,
    /// RFC 3463.
    status: String,
    text: String,
}

impl Failure {
    /// The mail server keeps the mail and tries again. Whatever is not known to be for good is this.
    #[must_use]
    pub fn later(text: impl Into<String>) -> Self {
        Self { code: Code::TempFail, status: "4.3.0".to_owned(), text: text.into() }
    }

    pub(super) fn of(code: Code, status: &str, text: impl Into<String>) -> Self {
        Self { code, status: status.to_owned(), text: text.into() }
    }

    /// What a reply that is no success means, to whatever it was said.
    pub(super) fn reply(to: &str, reply: &Reply) -> Self {
        let (status, said) = reply.status();
        let text = format!("{to}: {said}");
        if reply.code() / 100 != 5 {
            let status = status.filter(|s| s.starts_with("4.")).unwrap_or("4.3.0");
            return Self::of(Code::TempFail, status, text);
        }
        let status = status.filter(|s| s.starts_with("5.")).unwrap_or("5.0.0");
        let code = match status {
            "5.3.4" => Code::Data,
            s if s.starts_with("5.1.") => Code::NoUser,
            s if s.starts_with("5.6.") || s.starts_with("5.4.") => Code::Data,
            s if s.starts_with("5.7.") => Code::NoPerm,
            _ => Code::Unavailable,
        };
        Self::of(code, status, text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text)
    }
}

/// One exit code for all recipients. One that may try again makes the whole mail try again, though others get it twice
/// then; else one that is refused is told, though others got it. Either way nobody's mail is lost in silence.
pub(super) fn sum(verdicts: Vec<Result<(), Failure>>) -> Result<(), Failure> {
    let failures: Vec<Failure> = verdicts.into_iter().filter_map(Result::err).collect();
    let first = failures.iter().find(|f| f.code == Code::TempFail).or(failures.first());
    let Some(Failure { code, status, .. }) = first.cloned() else { return Ok(()) };
    let texts: Vec<&str> = failures.iter().map(|f| f.text.as_str()).collect();
    Err(Failure { code, status, text: texts.join("; ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Failure {
        Failure::reply("x@y.example", &Reply::of(line))
    }

    #[test]
    fn each_reply_has_its_exit_code() {
        for (line, code) in [
            ("421 4.3.2 mx is going down", Code::TempFail),
            ("452 4.3.1 No room for more mail", Code::TempFail),
            ("450 4.7.1 Too many mails", Code::TempFail),
            ("550 5.1.1 There is no such address here", Code::NoUser),
            ("550 5.7.1 encrypted mail only", Code::NoPerm),
            ("552 5.3.4 The message is larger than 5 bytes", Code::Data),
            ("554 5.6.0 A CR or LF stands alone", Code::Data),
            ("554 5.4.6 Too many Received fields", Code::Data),
            ("554 5.5.1 No recipient", Code::Unavailable),
            ("550 no status", Code::Unavailable),
            ("250 2.0.0 not where it belongs", Code::TempFail),
        ] {
            assert_eq!(of(line).code, code, "{line}");
        }
        assert_eq!(
            of("550 5.1.1 There is no such address here").to_string(),
            "5.1.1 x@y.example: There is no such address here"
        );
        assert_eq!(of("550 4.1.1 odd").to_string(), "5.0.0 x@y.example: 4.1.1 odd", "the code decides");
    }

    #[test]
    fn of_several_recipients_nobodys_mail_is_lost() {
        let (later, never) = (of("451 4.3.0 later"), of("550 5.1.1 never"));
        assert_eq!(sum(vec![Ok(()), Ok(())]), Ok(()));
        let code = |verdicts| sum(verdicts).unwrap_err().code;
        assert_eq!(code(vec![Ok(()), Err(never.clone())]), Code::NoUser);
        assert_eq!(code(vec![Ok(()), Err(later.clone())]), Code::TempFail);
        assert_eq!(code(vec![Err(never.clone()), Err(later.clone()), Ok(())]), Code::TempFail);
        let both = sum(vec![Err(never), Err(later)]).unwrap_err().to_string();
        assert_eq!(both, "4.3.0 x@y.example: never; x@y.example: later");
    }
}
