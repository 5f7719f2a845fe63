//! The table of cases, read and shown.

use serde::Deserialize;

/// Where a hop misbehaves.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    Connect,
    Greeting,
    Ehlo,
    Starttls,
    Handshake,
    EhloAgain,
    Mail,
    Rcpt,
    Data,
    Content,
    Dot,
    Rset,
    Idle,
    Quit,
}

impl Place {
    pub const ALL: [(Self, &str); 14] = [
        (Self::Connect, "connect"),
        (Self::Greeting, "greeting"),
        (Self::Ehlo, "EHLO"),
        (Self::Starttls, "STARTTLS"),
        (Self::Handshake, "TLS handshake"),
        (Self::EhloAgain, "EHLO again"),
        (Self::Mail, "MAIL"),
        (Self::Rcpt, "RCPT"),
        (Self::Data, "DATA"),
        (Self::Content, "content"),
        (Self::Dot, "final dot"),
        (Self::Rset, "RSET"),
        (Self::Idle, "idle"),
        (Self::Quit, "QUIT"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(place, _)| *place == self).unwrap().1
    }
}

/// What it does after what it says, if it says anything.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Goes on as if that had been the usual reply.
    #[default]
    GoOn,
    /// Gives the usual reply as well.
    Usual,
    /// Closes the connection.
    Close,
    /// Resets it.
    Reset,
    /// Says nothing more and keeps the line.
    Hang,
    /// Closes its writing half and reads on.
    ShutWrite,
    /// Closes its reading half and gives the usual reply.
    ShutRead,
    /// Reads one byte each second.
    Slow,
    /// Is no listener at all.
    Refuse,
    /// Listens, and has no place for a further connection.
    Full,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// The hop is on this machine, and in the clear.
    #[default]
    None,
    Good,
    WrongName,
    Expired,
    SelfSigned,
    /// Required and not offered.
    NotOffered,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Copy {
    Delivered,
    Deferred,
    Failed,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Session {
    /// The next copy goes over the same connection.
    Kept,
    #[default]
    Closed,
}

/// One case: what the hop does once, and what has to become of copy, connection and destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Why it is here.
    pub why: String,
    pub at: Place,
    /// In which transaction of a connection, from 1.
    #[serde(default = "one")]
    pub transaction: usize,
    /// What it says, byte for byte.
    pub say: Option<String>,
    /// The same in hexadecimal digits.
    pub hex: Option<String>,
    /// How often it says so.
    #[serde(default = "one")]
    pub times: usize,
    /// One byte at a time.
    #[serde(default)]
    pub drip: bool,
    #[serde(default)]
    pub then: Then,
    /// What it says to RCPT in that transaction, in cases about what comes after a refusal.
    pub refuses: Option<String>,
    #[serde(default)]
    pub tls: Tls,
    #[serde(default = "yes")]
    pub pipelining: bool,
    /// How many copies are queued at once.
    #[serde(default = "one")]
    pub copies: usize,
    /// How many copies were delivered over the connection before.
    #[serde(default)]
    pub before: usize,
    /// The length of a stored body, in bytes.
    #[serde(default = "short")]
    pub body: usize,
    /// What becomes of the copy it happens to.
    pub copy: Copy,
    /// What the queue says of it: one of these.
    #[serde(default)]
    pub cause: Vec<String>,
    #[serde(default)]
    pub session: Session,
    /// Whether the destination rests then.
    #[serde(default)]
    pub rests: bool,
    /// How often the copy arrives in the end.
    #[serde(default = "one")]
    pub arrivals: usize,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

fn short() -> usize {
    1000
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Matrix {
    case: Vec<Case>,
}

pub fn cases() -> Vec<Case> {
    toml::from_str::<Matrix>(include_str!("matrix.toml")).unwrap().case
}

impl Case {
    /// The bytes that it says.
    pub fn said(&self) -> Vec<u8> {
        let hex = self.hex.as_ref().map(|hex| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap());
        let once = hex.or_else(|| self.say.clone().map(String::into_bytes)).unwrap_or_default();
        once.repeat(self.times)
    }

    /// What kind of misbehaviour it is, for the table.
    fn does(&self) -> String {
        let mut does = Vec::new();
        if let Some(refuses) = &self.refuses {
            does.push(format!("refuses RCPT with `{}`", refuses.trim_end()));
        }
        match self.tls {
            Tls::WrongName => does.push("bears another name".to_owned()),
            Tls::Expired => does.push("shows an expired certificate".to_owned()),
            Tls::SelfSigned => does.push("shows a certificate that nobody vouches for".to_owned()),
            Tls::NotOffered => does.push("does not offer it".to_owned()),
            Tls::None | Tls::Good => {}
        }
        if let Some(say) = &self.say {
            let shown = say.trim_end_matches("\r\n").escape_default().to_string();
            let shown =
                if self.times > 1 { format!("{} times `{shown}`", self.times) } else { format!("`{shown}`") };
            does.push(format!("says {shown}{}", if self.drip { " byte by byte" } else { "" }));
        }
        if self.hex.is_some() {
            does.push("says binary rubbish".to_owned());
        }
        match self.then {
            Then::GoOn => {}
            Then::Usual => does.push("replies as usual".to_owned()),
            Then::Close => does.push("closes".to_owned()),
            Then::Reset => does.push("resets the connection".to_owned()),
            Then::Hang => does.push("falls silent".to_owned()),
            Then::ShutWrite => does.push("closes its writing half".to_owned()),
            Then::ShutRead => does.push("closes its reading half and replies as usual".to_owned()),
            Then::Slow => does.push("takes one byte each second".to_owned()),
            Then::Refuse => does.push("refuses it".to_owned()),
            Then::Full => does.push("never accepts it".to_owned()),
        }
        does.join(", ")
    }

    fn circumstances(&self) -> String {
        let mut all = Vec::new();
        if !self.pipelining {
            all.push("no pipelining".to_owned());
        }
        if self.before > 0 {
            all.push("kept connection".to_owned());
        }
        if self.copies > 1 {
            all.push(format!("{} copies", self.copies));
        }
        if self.transaction > 1 {
            all.push("sent ahead".to_owned());
        }
        if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
    }
}

/// The table as `docs/delivery.md` has it.
pub fn table(cases: &[Case]) -> String {
    let mut out =
        "| case | at | the next hop | the copy | why, in the queue | connection | destination | arrives |\n"
            .to_owned();
    out += "| --- | --- | --- | --- | --- | --- | --- | --- |\n";
    for case in cases {
        let copy = match case.copy {
            Copy::Delivered => "delivered",
            Copy::Deferred => "deferred",
            Copy::Failed => "failed",
        };
        let session = match case.session {
            Session::Kept => "kept",
            Session::Closed => "closed",
        };
        let cause = if case.cause.is_empty() { "–".to_owned() } else { case.cause.join("; or: ") };
        let row = [
            case.name.clone(),
            case.at.name().to_owned(),
            format!("{}{}", case.does(), case.circumstances()),
            copy.to_owned(),
            cause,
            session.to_owned(),
            if case.rests { "rests" } else { "goes on" }.to_owned(),
            if case.arrivals == 1 { "once" } else { "twice" }.to_owned(),
        ];
        out += &format!("| {} |\n", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    out
}
