//! `status --watch`: how the daemon is, again and again, also across its restarts.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::cli::failure::{Failure, refused};
use crate::cli::show;
use crate::cli::text::one_line;
use crate::control::client;
use crate::control::wire::{Answer, Request, StatusRow};

/// To the upper left corner, and everything below gone (ECMA-48 CUP and ED).
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows it every `seconds`, until somebody has seen enough: Ctrl-C, or a pipe that nobody reads any more.
pub(super) fn watch(socket: &Path, seconds: u64, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clear = !json && io::stdout().is_terminal();
    let watched = runtime.block_on(rounds(socket.to_owned(), Duration::from_secs(seconds), json, clear, out));
    // An answer that is still being waited for is of no interest any more.
    runtime.shutdown_background();
    match watched {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        watched => Ok(watched?),
    }
}

async fn rounds(
    socket: PathBuf,
    every: Duration,
    json: bool,
    clear: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        let socket = socket.clone();
        let asked = tokio::task::spawn_blocking(move || look(&socket));
        let looked = tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = end.recv() => return Ok(()),
            looked = asked => looked.unwrap_or_else(|_| Err(Failure::unexpected())),
        };
        let block = if json { line(&looked) } else { block(&looked) };
        write!(out, "{}{block}", if clear { CLEAR } else { "" })?;
        out.flush()?;
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = end.recv() => return Ok(()),
            () = sleep(every) => {}
        }
    }
}

fn look(socket: &Path) -> Result<Box<StatusRow>, Failure> {
    match refused(client::ask(socket, &Request::Status)?)? {
        Answer::Status(row) => Ok(row),
        _ => Err(Failure::unexpected()),
    }
}

/// For people: a block, and an empty line behind it.
fn block(looked: &Result<Box<StatusRow>, Failure>) -> String {
    match looked {
        Ok(row) => format!("{}\n", show::one(&**row, show::status, false)),
        Err(failure) => format!("not reachable: {}\n\n", one_line(failure.what())),
    }
}

/// For programs: one object a line.
fn line(looked: &Result<Box<StatusRow>, Failure>) -> String {
    let object = match looked {
        Ok(row) => serde_json::json!({ "reachable": true, "status": row }),
        Err(failure) => serde_json::json!({ "reachable": false, "why": failure.what() }),
    };
    format!("{object}\n")
}
