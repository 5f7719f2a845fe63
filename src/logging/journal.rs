//! Records for systemd-journald, in its native protocol: what people read in MESSAGE, and each field besides, so that
//! `journalctl LIST=security` finds it.

use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where systemd-journald takes records (systemd-journald.service(8)).
pub(super) const JOURNALD: &str = "/run/systemd/journal/socket";

/// Where records go.
pub(super) struct Journal(UnixDatagram);

impl Journal {
    /// Sees that journald is there.
    pub(super) fn open() -> io::Result<Self> {
        let journal = Self(UnixDatagram::unbound()?);
        // An empty record: journald drops it.
        journal.0.send_to(&[], JOURNALD)?;
        Ok(journal)
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let mut record = Vec::with_capacity(512);
        put(&mut record, "MESSAGE", &fields.line());
        // syslog(3) has seven levels; what we call trace is its debug, too.
        let priority = match *meta.level() {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            Level::DEBUG | Level::TRACE => "7",
        };
        for (name, value) in
            [("PRIORITY", priority), ("SYSLOG_IDENTIFIER", "vouchsafe"), ("TARGET", meta.target())]
        {
            put(&mut record, name, value);
        }
        for (name, value) in &fields.named {
            put(&mut record, &upper(name), value);
        }
        // A log that cannot be written is no reason to stop. (Sent by path each time: journald may be started anew.)
        let _ = self.0.send_to(&record, JOURNALD);
    }
}

/// systemd's "Native Journal Protocol": a value with a line end in it comes with its length, as 64 bits, little-endian.
fn put(record: &mut Vec<u8>, name: &str, value: &str) {
    record.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        record.push(b'\n');
        record.extend_from_slice(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    } else {
        record.push(b'=');
    }
    record.extend_from_slice(value.as_bytes());
    record.push(b'\n');
}

/// systemd.journal-fields(7): capital letters, digits and underscores, and no underscore in front.
fn upper(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    name.trim_start_matches('_').to_owned()
}

#[derive(Default)]
struct Fields {
    message: String,
    named: Vec<(&'static str, String)>,
    /// The fields as people read them.
    shown: String,
}

impl Fields {
    fn line(&self) -> String {
        format!("{}{}", self.message, self.shown)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            let _ = write!(self.shown, " {}={value:?}", field.name());
            self.named.push((field.name(), value.to_owned()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            self.message = value;
        } else {
            let _ = write!(self.shown, " {}={value}", field.name());
            self.named.push((field.name(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_line_ends_and_start_no_field() {
        let mut record = Vec::new();
        put(&mut record, "LIST", "security");
        put(&mut record, "WHY", "one\nMESSAGE=two");
        let mut expected = b"LIST=security\nWHY\n".to_vec();
        expected.extend_from_slice(&15_u64.to_le_bytes());
        expected.extend_from_slice(b"one\nMESSAGE=two\n");
        assert_eq!(record, expected);
    }

    #[test]
    fn names_are_journald_s() {
        assert_eq!(
            ["list", "log.target", "_pid", "r#type"].map(upper),
            ["LIST", "LOG_TARGET", "PID", "R_TYPE"]
        );
    }
}
