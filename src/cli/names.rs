//! What names a thing, by flag or by position: `member remove LIST ADDRESS` and
//! `member remove --list LIST --address ADDRESS` are the same, and so are the mixed forms. And the names of formats.

use std::path::PathBuf;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::control::wire::{Address, Format, ListName, Request};

/// A list that must be named.
#[derive(Debug, PartialEq, Eq)]
pub struct OneList(pub ListName);

/// A list that may be named.
#[derive(Debug, PartialEq, Eq)]
pub struct SomeList(pub Option<ListName>);

/// A person or role address on a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Who {
    /// The list.
    pub list: ListName,
    /// The address.
    pub address: Address,
}

/// Why something is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Why {
    /// Why, for the journal.
    #[arg(long)]
    pub reason: Option<String>,
}

impl Why {
    /// The request, with the reason if there is one.
    pub fn of(self, request: Request) -> Request {
        match self.reason {
            Some(reason) => Request::Because { reason, request: Box::new(request) },
            None => request,
        }
    }
}

/// A list and a file for it.
#[derive(Debug, PartialEq, Eq)]
pub struct ListAndFile {
    /// The list.
    pub list: ListName,
    /// The file; `-` is standard input.
    pub file: PathBuf,
}

#[derive(Debug, Args)]
struct RawList {
    /// Which list
    #[arg(value_name = "LIST")]
    first: Option<String>,
    /// The same by flag
    #[arg(long, value_name = "LIST")]
    list: Option<ListName>,
}

#[derive(Debug, Args)]
struct RawWho {
    /// Which list
    #[arg(value_name = "LIST")]
    first: Option<String>,
    /// Who on it
    #[arg(value_name = "ADDRESS")]
    second: Option<String>,
    /// The list by flag
    #[arg(long, value_name = "LIST")]
    list: Option<ListName>,
    /// The address by flag
    #[arg(long, value_name = "ADDRESS")]
    address: Option<Address>,
}

#[derive(Debug, Args)]
struct RawFile {
    /// Which list
    #[arg(value_name = "LIST")]
    first: Option<String>,
    /// The OpenPGP secret key; `-` reads standard input
    #[arg(value_name = "FILE")]
    second: Option<String>,
    /// The list by flag
    #[arg(long, value_name = "LIST")]
    list: Option<ListName>,
}

/// What was given by position, in order, for those that no flag names.
struct Positions(std::vec::IntoIter<String>);

impl Positions {
    fn of<const N: usize>(given: [Option<String>; N]) -> Self {
        Self(given.into_iter().flatten().collect::<Vec<_>>().into_iter())
    }

    /// The flag's value, or the next position's.
    fn or_next<T: FromStr<Err: ToString>>(
        &mut self,
        flag: Option<T>,
        what: &str,
    ) -> Result<Option<T>, clap::Error> {
        if flag.is_some() {
            return Ok(flag);
        }
        let wrong = |text: &str, why: String| {
            let text = super::text::one_line(text);
            mistake(ErrorKind::ValueValidation, &format!("invalid value '{text}' for '{what}': {why}"))
        };
        self.0.next().map(|text| text.parse().map_err(|e: T::Err| wrong(&text, e.to_string()))).transpose()
    }

    /// Nothing may be left over.
    fn end(mut self) -> Result<(), clap::Error> {
        self.0.next().map_or(Ok(()), |text| {
            let text = super::text::one_line(&text);
            Err(mistake(
                ErrorKind::UnknownArgument,
                &format!("'{text}' is one too many: a flag names that already"),
            ))
        })
    }
}

fn mistake(kind: ErrorKind, text: &str) -> clap::Error {
    clap::Error::raw(kind, text)
}

fn needed<T>(value: Option<T>, forms: &str) -> Result<T, clap::Error> {
    value.ok_or_else(|| {
        mistake(ErrorKind::MissingRequiredArgument, &format!("something is missing: give {forms}"))
    })
}

impl TryFrom<RawList> for SomeList {
    type Error = clap::Error;
    fn try_from(raw: RawList) -> Result<Self, clap::Error> {
        let mut positions = Positions::of([raw.first]);
        let list = positions.or_next(raw.list, "LIST")?;
        positions.end()?;
        Ok(Self(list))
    }
}

impl TryFrom<RawList> for OneList {
    type Error = clap::Error;
    fn try_from(raw: RawList) -> Result<Self, clap::Error> {
        needed(SomeList::try_from(raw)?.0, "LIST or --list LIST").map(Self)
    }
}

impl TryFrom<RawWho> for Who {
    type Error = clap::Error;
    fn try_from(raw: RawWho) -> Result<Self, clap::Error> {
        const FORMS: &str = "LIST ADDRESS, or --list LIST --address ADDRESS";
        let mut positions = Positions::of([raw.first, raw.second]);
        let list = needed(positions.or_next(raw.list, "LIST")?, FORMS)?;
        let address = needed(positions.or_next(raw.address, "ADDRESS")?, FORMS)?;
        positions.end()?;
        Ok(Self { list, address })
    }
}

impl TryFrom<RawFile> for ListAndFile {
    type Error = clap::Error;
    fn try_from(raw: RawFile) -> Result<Self, clap::Error> {
        const FORMS: &str = "LIST FILE, or --list LIST FILE";
        let mut positions = Positions::of([raw.first, raw.second]);
        let list = needed(positions.or_next(raw.list, "LIST")?, FORMS)?;
        let file = needed(positions.or_next(None, "FILE")?, FORMS)?;
        positions.end()?;
        Ok(Self { list, file })
    }
}

macro_rules! read_as {
    ($raw:ty => $($name:ty),+) => {$(
        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                <$raw>::from_arg_matches(matches)?.try_into()
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                <$raw>::augment_args(command)
            }

            fn augment_args_for_update(command: Command) -> Command {
                <$raw>::augment_args_for_update(command)
            }
        }
    )+};
}

read_as!(RawList => OneList, SomeList);
read_as!(RawWho => Who);
read_as!(RawFile => ListAndFile);

/// A format, or none: the rule decides. (Bare `Option` would make the flag one that may be left out.)
#[derive(Clone, Copy, Debug)]
pub struct FormatOrRule(pub Option<Format>);

pub(super) fn format_or_rule(text: &str) -> Result<FormatOrRule, &'static str> {
    match text {
        "rule" => Ok(FormatOrRule(None)),
        _ => format(text).map(|format| FormatOrRule(Some(format))).map_err(|_| "it is v1, v2 or rule"),
    }
}

pub(super) fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "v1" => Ok(Format::V1),
        "v2" => Ok(Format::V2),
        _ => Err("it is v1 or v2"),
    }
}
