//! `[log]`: where the log goes, and what of it. Nothing here knows what is logged; that it holds no content is the duty of
//! whoever logs, and `tests/leak.rs` looks.

mod journal;

use std::fmt;
use std::io;
use std::path::Path;

use self::journal::{JOURNALD, Journal};
use rustix::fs::fstat;
use serde::Deserialize;
use tracing::Subscriber;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// Libraries that at their finest levels write down what they carry, or might with their next release. What matters of
/// their work our own rooms say in their own words.
const SILENT: &[&str] = &[
    "async_imap",
    "hickory_net",
    "hickory_proto",
    "hickory_resolver",
    "hyper",
    "hyper_util",
    "imap_proto",
    "lettre",
    "rustls",
    "sled",
    "tokio_rustls",
];

/// What is written when nobody says otherwise.
const USUAL: &str = "info";

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to.
    pub to: To,
    /// In what form, on standard error.
    pub format: Format,
    /// How much: `info`, or such as `info,vouchsafe::egress=debug`. `$VOUCHSAFE_LOG` wins.
    pub filter: Option<String>,
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum To {
    /// To journald where the service manager has connected standard error to it, else to standard error.
    #[default]
    Auto,
    /// To standard error.
    Stderr,
    /// To journald.
    Journald,
}

/// The form of a line on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// journald was asked for and is not there.
    #[error(
        "[log] to = \"journald\", and journald does not take records at {JOURNALD}: {0}. Use \"auto\" or \"stderr\""
    )]
    NoJournal(io::Error),
    /// A filter that says nothing.
    #[error(
        "\"{0}\" is no filter: write a level such as \"info\" or \"debug\", or \"info,vouchsafe::egress=trace\""
    )]
    Filter(String),
}

impl Settings {
    /// What is wrong with them, whatever the machine.
    ///
    /// # Errors
    /// When the filter cannot be read.
    pub fn check(&self) -> Result<(), LogError> {
        self.filter.as_deref().map_or(Ok(()), |filter| parse(filter).map(|_| ()))
    }
}

/// The filter in force, to be changed while the log is written. Cheap to clone.
#[derive(Clone)]
pub struct Filter(Option<reload::Handle<EnvFilter, Registry>>);

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter")
    }
}

impl Filter {
    /// Nobody's filter: setting it changes nothing.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Follows these settings, unless the environment rules.
    ///
    /// # Errors
    /// When the filter cannot be read.
    pub fn follow(&self, settings: &Settings) -> Result<(), LogError> {
        let filter = parse(settings.filter.as_deref().unwrap_or(USUAL))?;
        // It fails only when the log is gone, and then nobody reads it.
        let _ = self.0.as_ref().map(|handle| handle.reload(filter));
        Ok(())
    }
}

/// What the process was started with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Environment<'a> {
    /// `$VOUCHSAFE_LOG`.
    pub filter: Option<&'a str>,
    /// `$JOURNAL_STREAM`.
    pub journal_stream: Option<&'a str>,
}

/// Begins the log of this process.
///
/// # Errors
/// When the filter cannot be read, or journald is demanded and not there.
pub fn begin(settings: &Settings, environment: Environment<'_>) -> Result<Filter, LogError> {
    // What the environment says wrongly must not keep a daemon from starting.
    let ruled = environment.filter.and_then(|text| parse(text).ok());
    let is_ruled = ruled.is_some();
    let filter = match ruled {
        Some(filter) => filter,
        None => parse(settings.filter.as_deref().unwrap_or(USUAL))?,
    };
    let (filter, handle) = reload::Layer::new(filter);
    let quiet = filter_fn(|told| !is_silent(told.target()));
    let output = output(settings, environment.journal_stream)?;
    tracing_subscriber::registry().with(filter).with(quiet).with(output).init();
    Ok(Filter((!is_ruled).then_some(handle)))
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(filter).map_err(|_| LogError::Filter(filter.to_owned()))
}

fn is_silent(target: &str) -> bool {
    let within =
        |name: &&str| target.strip_prefix(*name).is_some_and(|r| r.is_empty() || r.starts_with("::"));
    SILENT.iter().any(within)
}

fn output<S>(settings: &Settings, stream: Option<&str>) -> Result<Box<dyn Layer<S> + Send + Sync>, LogError>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let connected =
        stream.is_some_and(|stream| fstat(io::stderr()).is_ok_and(|s| names(stream, s.st_dev, s.st_ino)));
    let wanted = match settings.to {
        To::Stderr => false,
        To::Journald => true,
        To::Auto => connected && Path::new(JOURNALD).exists(),
    };
    if wanted {
        match Journal::open() {
            Ok(journal) => return Ok(journal.boxed()),
            Err(why) if settings.to == To::Journald => return Err(LogError::NoJournal(why)),
            Err(_) => {}
        }
    }
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    Ok(match settings.format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().flatten_event(true).boxed(),
    })
}

/// systemd.exec(5), `$JOURNAL_STREAM`: "the device and inode numbers of the journal file descriptor, formatted in decimal,
/// separated by a colon". The variable is inherited also where standard error has been led elsewhere.
fn names(stream: &str, device: u64, inode: u64) -> bool {
    let Some((dev, ino)) = stream.split_once(':') else { return false };
    dev.parse() == Ok(device) && ino.parse() == Ok(inode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_ours_only_if_both_numbers_are() {
        assert!(names("8:1234", 8, 1234));
        for other in ["8:1235", "9:1234", "8", "", "8:1234:5", "a:b", ":"] {
            assert!(!names(other, 8, 1234), "{other}");
        }
    }

    #[test]
    fn libraries_that_carry_content_are_silent_and_their_namesakes_are_not() {
        for silent in ["sled", "sled::tree", "async_imap::client", "rustls::conn", "hyper::proto::h1::io"] {
            assert!(is_silent(silent), "{silent}");
        }
        for heard in ["vouchsafe::daemon", "sledge", "vouchsafe::store::sled"] {
            assert!(!is_silent(heard), "{heard}");
        }
    }

    #[test]
    fn a_filter_that_says_nothing_is_refused() {
        let with = |filter: &str| Settings { filter: Some(filter.to_owned()), ..Settings::default() }.check();
        for right in ["debug", "info,vouchsafe::egress=trace", "off"] {
            assert!(with(right).is_ok(), "{right}");
        }
        let error = with("info,vouchsafe=lots").unwrap_err().to_string();
        assert!(
            error.contains("info,vouchsafe=lots") && error.contains("vouchsafe::egress=trace"),
            "{error}"
        );
    }
}
