//! What a user proves itself with: a password from a file or a systemd credential, or a token that a program prints.
//! Had anew at each login, so that a changed one needs no restart.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::settings::{Auth, Settings};
use crate::credential::{self, Secret, Unusable};

/// The longest token, in bytes; those of some providers have several kilobytes.
const LONGEST: usize = 16 * 1024;
/// How often it is looked whether a program that has said everything has ended.
const FOR_ITS_END: Duration = Duration::from_millis(10);

/// Why there is no password or token.
#[derive(Debug, thiserror::Error)]
pub enum NoSecret {
    /// The password.
    #[error("the password cannot be had: {0}")]
    Password(#[from] Unusable),
    /// The settings name none.
    #[error("there is no password: {0}")]
    Nowhere(&'static str),
    /// The program did not print a token.
    #[error("the token command {program} {why}; run it by hand as the daemon's user")]
    Token {
        /// Which; without its arguments, which may be secret.
        program: String,
        /// What it did instead.
        why: &'static str,
    },
}

/// Looks at the password of these settings without keeping it; a token is not asked for.
///
/// # Errors
/// Why it cannot be used.
pub fn look(settings: &Settings) -> Result<(), NoSecret> {
    if settings.auth == Auth::Xoauth2 {
        return Ok(());
    }
    Ok(password(settings)?.read().map(drop)?)
}

/// The password or token of these settings.
///
/// # Errors
/// When it is not there, is empty, or can be read by others.
pub(super) async fn secret(settings: &Settings) -> Result<Secret, NoSecret> {
    if settings.auth == Auth::Xoauth2 {
        return token(&settings.token_command, settings.token_timeout).await;
    }
    let source = password(settings)?;
    let read = tokio::task::spawn_blocking(move || source.read()).await;
    Ok(read.map_err(|_| NoSecret::Nowhere("reading it broke down"))??)
}

pub(super) fn password(settings: &Settings) -> Result<credential::Source, NoSecret> {
    let (file, name) = (settings.password_file.as_deref(), settings.password_credential.as_deref());
    credential::Source::of(file, name).map_err(NoSecret::Nowhere)
}

/// Runs the program, without a shell. What it says to standard error is nobody's: it could be the token.
async fn token(command: &[String], within: Duration) -> Result<Secret, NoSecret> {
    let (program, arguments) = command.split_first().map_or(("", &[][..]), |(p, a)| (p.as_str(), a));
    let failed = |why| NoSecret::Token { program: program.to_owned(), why };
    let run = async {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Running)
            .map_err(|_| failed("cannot be started"))?;
        let out = child.0.stdout.take().map(OwnedFd::from).map(Receiver::from_owned_fd);
        let Some(Ok(out)) = out else { return Err(failed("cannot be listened to")) };
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        out.take(most).read_to_end(&mut bytes).await.map_err(|_| failed("cannot be listened to"))?;
        loop {
            match child.0.try_wait() {
                Ok(None) => sleep(FOR_ITS_END).await,
                Ok(Some(status)) if status.success() => {
                    return Secret::first_line(bytes, program).map_err(|_| failed("printed no token"));
                }
                _ => return Err(failed("failed")),
            }
        }
    };
    timeout(within, run).await.unwrap_or(Err(failed("took longer than token_timeout")))
}

/// A program that does not outlive whoever waits for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and was waited for.
        if self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_what_a_program_prints_in_time() {
        let run = |program: &str, script: &str, within: u64| {
            let token_command = [program, "-c", script].map(str::to_owned).to_vec();
            let token_timeout = Duration::from_secs(within);
            let settings =
                Settings { auth: Auth::Xoauth2, token_command, token_timeout, ..Settings::default() };
            async move {
                let had = secret(&settings).await.map_err(|e| e.to_string());
                had.map(|secret| String::from_utf8(secret.as_bytes().to_vec()).unwrap())
            }
        };
        assert_eq!(run("/bin/sh", "echo ya29.token; echo more", 30).await, Ok("ya29.token".into()));
        let failed = run("/bin/sh", "echo token; exit 1", 30).await.unwrap_err();
        assert!(
            failed.contains("/bin/sh failed") && !failed.contains("echo"),
            "no argument is told: {failed}"
        );
        assert!(run("/bin/sh", "echo loud >&2", 30).await.unwrap_err().contains("no token"));
        assert!(run("/bin/sh", "sleep 60", 1).await.unwrap_err().contains("token_timeout"));
        assert!(run("/bin/sh", "yes | tr -d '\\n'", 30).await.is_err(), "a token without an end is none");
        assert!(run("/nowhere/token", "", 9).await.unwrap_err().contains("cannot be started"));
    }

    #[tokio::test]
    async fn a_password_is_read_or_it_is_said_why_not() {
        let file = |path: &str| Settings { password_file: Some(path.into()), ..Settings::default() };
        assert!(look(&file("/nowhere/password")).unwrap_err().to_string().contains("is not there"));
        assert!(secret(&file("/nowhere/password")).await.is_err());
        assert!(look(&Settings::default()).unwrap_err().to_string().contains("set password_file"));
    }
}
