//! A reader of `/metrics`, `/health` and `/ready`, and of what Prometheus' text format says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::outside::PATIENCE;
use crate::outside::daemon::Daemon;

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// Where the daemon said that it answers.
fn door(daemon: &Daemon) -> String {
    assert!(daemon.wait_for_line("metrics and health address="), "{}", daemon.log());
    let log = daemon.log();
    log.lines().find_map(|l| l.split_once("metrics and health address=")).unwrap().1.trim().to_owned()
}

pub(crate) fn get(daemon: &Daemon, path: &str) -> Answer {
    send(daemon, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

/// Sends a whole request as it is.
pub(crate) fn send(daemon: &Daemon, request: &str) -> Answer {
    let door = door(daemon);
    let mut text = String::new();
    let said = |mut stream: Box<dyn ReadWrite>, text: &mut String| {
        // A server that has heard enough hangs up: then there is nothing, or only a part.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(text).map(|_| ()));
    };
    if let Some(path) = door.strip_prefix("unix:") {
        let stream = UnixStream::connect(Path::new(path)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        said(Box::new(stream), &mut text);
    } else {
        let stream = TcpStream::connect(door).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        said(Box::new(stream), &mut text);
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let kind = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-type: ").map(str::to_owned));
    Answer { status, kind: kind.unwrap_or_default(), body: body.to_owned() }
}

trait ReadWrite: Read + Write {}
impl<S: Read + Write> ReadWrite for S {}

/// Prometheus' text format, read strictly: each metric has its help and type, each sample a number.
pub(crate) struct Scrape {
    /// Metrics and their types.
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) helps: BTreeMap<String, String>,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        let answer = get(daemon, "/metrics");
        assert_eq!((answer.status, answer.kind.as_str()), (200, "text/plain; version=0.0.4; charset=utf-8"));
        Self::read(&answer.body)
    }

    fn read(text: &str) -> Self {
        let mut scrape = Self { types: BTreeMap::new(), helps: BTreeMap::new(), samples: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            let words = |rest: &str| rest.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                scrape.types.extend([words(rest)]);
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                scrape.helps.extend([words(rest)]);
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                assert!(scrape.samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
            }
        }
        scrape
    }

    /// The value of a series, as it is written: `name{label="value"}`.
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.samples.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.samples.keys()))
    }

    /// Every value of every label.
    pub(crate) fn label_values(&self) -> Vec<String> {
        let labels = self.samples.keys().filter_map(|series| series.split_once('{')?.1.strip_suffix('}'));
        labels.flat_map(|l| l.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}
