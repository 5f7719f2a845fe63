//! Where the daemon takes mail on this machine: all that `vouchsafe ingest` needs to know, so that whoever runs it needs to
//! read nothing else.

use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;

use super::source::{ConfigError, folder_of, read};
use crate::ingest::{Door, Place};
use crate::ingress::settings::{ListenAddr, LmtpSettings, SmtpSettings};

/// What is looked at; the rest of the file is not even judged.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Listeners {
    smtp: SmtpSettings,
    lmtp: LmtpSettings,
}

/// The door for mail from this machine: an LMTP socket, else LMTP or SMTP on loopback.
///
/// # Errors
/// When the settings cannot be read, or name none.
pub fn door(path: &Path) -> Result<Door, ConfigError> {
    let source = read(path)?;
    let Listeners { smtp, lmtp } = source.parse()?;
    let folder = folder_of(path)?;
    let places = |listen: &[ListenAddr]| listen.iter().filter_map(|a| local(a, &folder)).collect::<Vec<_>>();
    let doors = places(&lmtp.listen).into_iter().map(Door::Lmtp);
    let mut doors: Vec<Door> = doors.chain(places(&smtp.listen).into_iter().map(Door::Smtp)).collect();
    // A socket needs no way through the machine's network; the sort keeps LMTP first among equals.
    doors.sort_by_key(|door| match door {
        Door::Lmtp(Place::Unix(_)) => 0,
        Door::Lmtp(Place::Tcp(_)) => 1,
        Door::Smtp(_) => 2,
    });
    doors.into_iter().next().ok_or_else(|| {
        source.error(
            &["lmtp", "listen"],
            "the daemon takes mail at no address that this machine alone can name: set [lmtp] listen = \
             [\"unix:lmtp.sock\"], or name a socket with --socket",
        )
    })
}

/// The address as a client on this machine reaches it; none for one of the network, and none for any free port.
fn local(address: &ListenAddr, folder: &Path) -> Option<Place> {
    let text = match address {
        ListenAddr::Unix(path) => return Some(Place::Unix(folder.join(path))),
        ListenAddr::Tcp(text) => text,
    };
    let (host, port) = text.rsplit_once(':').filter(|(_, port)| *port != "0")?;
    if host == "localhost" {
        return Some(Place::Tcp(text.clone()));
    }
    let ip: IpAddr = host.trim_matches(['[', ']']).parse().ok()?;
    let place = match ip {
        ip if ip.is_loopback() => text.clone(),
        IpAddr::V4(ip) if ip.is_unspecified() => format!("127.0.0.1:{port}"),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("[::1]:{port}"),
        _ => return None,
    };
    Some(Place::Tcp(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("relay.toml");
        std::fs::write(&file, text).unwrap();
        let shown = |place: Place| place.to_string().replace(&folder.path().display().to_string(), "DIR");
        match door(&file) {
            Ok(Door::Lmtp(place)) => Ok(format!("lmtp {}", shown(place))),
            Ok(Door::Smtp(place)) => Ok(format!("smtp {}", shown(place))),
            Err(error) => Err(error.what),
        }
    }

    #[test]
    fn lmtp_comes_before_smtp_and_a_socket_before_a_port() {
        let smtp = "[smtp]\nlisten = [\"127.0.0.1:2525\"]\n";
        for (lmtp, door) in [
            ("", "smtp 127.0.0.1:2525"),
            ("[lmtp]\nlisten = [\"unix:lmtp.sock\"]", "lmtp unix:DIR/lmtp.sock"),
            ("[lmtp]\nlisten = [\"[::1]:24\", \"unix:/run/x\"]", "lmtp unix:/run/x"),
            ("[lmtp]\nlisten = [\"localhost:24\"]", "lmtp localhost:24"),
        ] {
            assert_eq!(of(&format!("{smtp}{lmtp}")).as_deref(), Ok(door), "{lmtp}");
        }
        assert_eq!(of("[smtp]\nlisten = [\"0.0.0.0:25\"]").as_deref(), Ok("smtp 127.0.0.1:25"));
        assert_eq!(of("[smtp]\nlisten = [\"[::]:25\"]").as_deref(), Ok("smtp [::1]:25"));
    }

    #[test]
    fn what_this_machine_cannot_name_is_told_with_what_to_set() {
        for none in ["", "[smtp]\nlisten = [\"192.0.2.1:25\", \"127.0.0.1:0\"]"] {
            assert!(of(none).unwrap_err().contains("[lmtp] listen"), "{none}");
        }
    }

    #[test]
    fn nothing_else_of_the_settings_counts() {
        let text = "[keys]\npath = 5\n[lmtp]\nlisten = [\"unix:a\"]\n[list.x]\npolicy = \"gone.toml\"\n";
        assert_eq!(of(text).as_deref(), Ok("lmtp unix:DIR/a"));
    }
}
