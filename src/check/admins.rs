//! Whoever is told when something needs a person: is there somebody, with a certificate that can be used?

use super::ending::ending;
use super::report::Report;
use crate::config::{Config, List, NoCertificate, Wrong};
use crate::mail::directory::Kind;
use crate::time::Timestamp;

pub(super) fn admins(config: &Config, now: Timestamp, report: &mut Report) {
    let place = config.source.place(&["admin", "notify"]);
    match config.admin.notify.as_deref() {
        Some([]) => {
            let what = "notify = []: nobody is told by mail when a copy fails or a mail is held";
            report.note(place, what, "look at `vouchsafe status` and the log, or name an admin");
        }
        Some(admins) => {
            for admin in admins {
                match admin.read() {
                    Ok(cert) => {
                        let remedy = format!("renew {}", admin.certificate.display());
                        ending(
                            &cert,
                            now,
                            &place,
                            &format!("the certificate of {}", admin.address),
                            &remedy,
                            report,
                        );
                        if let Err(problem) = cert.sealable(now) {
                            let what = format!("{} cannot be told anything: {problem}", admin.address);
                            report.error(&place, what, remedy);
                        }
                    }
                    Err(error) => report.error(&place, error.to_string(), remedy(&error)),
                }
            }
        }
        None => {
            for list in config.lists.iter().filter(|list| has_no_team(list)) {
                let what = format!(
                    "nobody is told by mail when something goes wrong on \"{}\": it has no team, and [admin] notify is not set",
                    list.name
                );
                report.warn(&place, what, "set [admin] notify in relay.toml");
            }
        }
    }
}

fn has_no_team(list: &List) -> bool {
    list.kind.takes_mail() && list.kind != Kind::Intake && list.team.is_none()
}

fn remedy(error: &NoCertificate) -> String {
    let path = error.path.display();
    match *error.why {
        Wrong::Io(_) => format!("put the certificate there, readable for the daemon's user: {path}"),
        Wrong::Unfit(_) => format!("export exactly one: gpg --export --armor FINGERPRINT > {path}"),
        Wrong::Another { .. } => {
            "compare the fingerprint with the admin, then mend file or setting".to_owned()
        }
    }
}
