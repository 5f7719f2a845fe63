//! The way out: authorities, client certificates and passwords for other hosts, as far as they can be known without
//! connecting anywhere.

use std::path::PathBuf;

use super::host::pem_file;
use super::report::Report;
use crate::config::Config;
use crate::credential::Unusable;
use crate::egress;
use crate::egress::auth::AuthSettings;
use crate::egress::route::{RouteError, TlsMode};
use crate::time::Timestamp;

/// When a client certificate is called old, in days: a month in which its owner can get a new one.
const SOON: i64 = 30;

/// One table of the settings that says how mail goes out: `[egress]`, or an override.
struct Way<'a> {
    table: Vec<&'a str>,
    ca_file: &'a Option<PathBuf>,
    client_cert: &'a Option<PathBuf>,
    client_key: &'a Option<PathBuf>,
    auth: &'a Option<AuthSettings>,
    server_name: bool,
    in_the_clear: bool,
}

pub(super) fn way_out(config: &Config, now: Timestamp, report: &mut Report) {
    let egress = &config.egress;
    let own = Way {
        table: vec!["egress"],
        ca_file: &egress.ca_file,
        client_cert: &egress.client_cert,
        client_key: &egress.client_key,
        auth: &egress.auth,
        server_name: egress.server_name.is_some(),
        in_the_clear: egress.tls == TlsMode::None,
    };
    let overrides = egress.domain.iter().map(|(key, domain)| Way {
        table: vec!["egress", "domain", key],
        ca_file: &domain.ca_file,
        client_cert: &domain.client_cert,
        client_key: &domain.client_key,
        auth: &domain.auth,
        server_name: domain.server_name.is_some(),
        in_the_clear: domain.tls == TlsMode::None,
    });
    let mut readable = true;
    for way in [own].into_iter().chain(overrides) {
        readable = way.files(config, report) && readable;
        way.age(config, now, report);
        way.password(config, report);
        way.idle(config, report);
    }
    // A file that cannot be read has its own finding.
    if let Err(why) = egress::check(&config.egress, &config.dns)
        && readable
    {
        let place = match &why {
            RouteError::Override { key, .. } => config.source.place(&["egress", "domain", key]),
            _ => config.source.place(&["egress"]),
        };
        report.error(place, format!("mail cannot go out: {why}"), "mend it: `serve` would refuse to start");
    }
}

impl Way<'_> {
    fn place(&self, config: &Config, key: &str) -> String {
        let path: Vec<&str> = self.table.iter().copied().chain([key]).collect();
        config.source.place(&path).to_string()
    }

    fn files(&self, config: &Config, report: &mut Report) -> bool {
        let files =
            [("ca_file", self.ca_file), ("client_cert", self.client_cert), ("client_key", self.client_key)];
        let named = files.into_iter().filter_map(|(key, file)| Some((key, file.as_deref()?)));
        named.fold(true, |all, (key, file)| pem_file(self.place(config, key), key, file, report) && all)
    }

    fn age(&self, config: &Config, now: Timestamp, report: &mut Report) {
        let Some(file) = self.client_cert else { return };
        let Some(days) = egress::days_left(file, now).filter(|days| *days < SOON) else { return };
        let place = self.place(config, "client_cert");
        let remedy = "get a new one from the next hop's admin, put certificate and key in place, and restart the daemon";
        if days < 0 {
            let what = format!("the client certificate {} has expired", file.display());
            report.error(place, what, remedy);
        } else {
            let what = format!("the client certificate {} expires in {days} days", file.display());
            report.warn(place, what, remedy);
        }
    }

    /// What has no effect, so that its author thinks of something else.
    fn idle(&self, config: &Config, report: &mut Report) {
        let keys = [
            ("ca_file", self.ca_file.is_some()),
            ("server_name", self.server_name),
            ("client_cert", self.client_cert.is_some()),
        ];
        for (key, _) in keys.into_iter().filter(|(_, set)| *set && self.in_the_clear) {
            let what = format!("{key} has no effect: tls = \"none\" sends in the clear, within this machine");
            report.warn(self.place(config, key), what, "remove it, or tls = \"none\"");
        }
    }

    fn password(&self, config: &Config, report: &mut Report) {
        let Some(Err(why)) = self.auth.as_ref().map(AuthSettings::look) else { return };
        let place = self.place(config, "auth");
        match why {
            Unusable::NoCredentials(name) => {
                let what = format!(
                    "the password is the systemd credential \"{name}\", which only the unit gets: it was not tried"
                );
                report.note(place, what, "");
            }
            why => report.error(
                place,
                format!("there is no password to log in with: {why}"),
                "mend it, and run `check` as the daemon's user or as root: until then all mail this way waits",
            ),
        }
    }
}
