//! Mailboxes from which mail is fetched: can the password be read by the daemon and by nobody else, are there authorities
//! to verify the server by, is the token's program there? Whom the mail is for the settings are refused over.

use super::report::Report;
use crate::config::{Config, Place};
use crate::ingress::imap::settings::{Auth, Encryption, Settings};
use crate::ingress::imap::{NoSecret, NoTls, Tls, look};

const RUN_AS: &str = "mend it, and run `check` as the daemon's user or as root";

pub(super) fn mailboxes(config: &Config, report: &mut Report) {
    for (name, settings) in &config.imap {
        let place = |key| config.source.place(&["imap", name, key]);
        match look(settings) {
            Ok(()) => {}
            Err(NoSecret::Password(credential)) if settings.password_credential.is_some() => {
                let what = format!("the password of the mailbox \"{name}\" was not tried: {credential}");
                report.note(place("password_credential"), what, "");
            }
            Err(error) => report.error(place("password_file"), error.to_string(), RUN_AS),
        }
        tls(settings, &place, report);
        let program = settings.token_command.first().filter(|_| settings.auth == Auth::Xoauth2);
        if let Some(program) = program.filter(|program| !std::path::Path::new(program).is_file()) {
            let what = format!("the token command {program} is not there");
            report.error(place("token_command"), what, "install it, or mend the path");
        }
    }
}

fn tls(settings: &Settings, place: &dyn Fn(&'static str) -> Place, report: &mut Report) {
    if settings.tls == Encryption::None {
        let what = "the password and fetched mail pass in the clear, within this machine";
        report.note(place("tls"), what, "leave tls out where the server can do it");
    }
    if let Err(error) = Tls::new(settings) {
        let key = if matches!(error, NoTls::Name(_)) { "server_name" } else { "ca_file" };
        report.error(place(key), error.to_string(), RUN_AS);
    }
}
