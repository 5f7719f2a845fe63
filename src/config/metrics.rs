//! `[metrics]`: where whoever watches the daemon may ask. Only on this machine.

use std::net::IpAddr;

use serde::Deserialize;

use super::Source;
use super::source::ConfigError;
use crate::ingress::settings::ListenAddr;

/// `[metrics]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Where `/metrics`, `/health` and `/ready` are answered; nowhere when not set.
    pub listen: Option<ListenAddr>,
}

impl Metrics {
    pub(super) fn verify(&self, source: &Source) -> Result<(), ConfigError> {
        let Some(ListenAddr::Tcp(address)) = &self.listen else { return Ok(()) };
        if is_loopback(address) {
            return Ok(());
        }
        let what = format!(
            "\"{address}\" can be reached from other machines, and metrics tell how much goes on and on which list: use \
             \"127.0.0.1:9464\" or \"unix:metrics.sock\", and a proxy that asks who comes, if they are wanted elsewhere"
        );
        Err(source.error(&["metrics", "listen"], what))
    }
}

/// Whether only this machine gets there.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    // RFC 6761 §6.3: "localhost" always means this machine.
    bare.parse::<IpAddr>()
        .map_or(bare.eq_ignore_ascii_case("localhost"), |ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_let_in() {
        for near in ["127.0.0.1:9464", "127.8.8.8:1", "[::1]:9464", "localhost:0", "[::ffff:127.0.0.1]:9"] {
            assert!(is_loopback(near), "{near}");
        }
        for far in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "lists.example.org:9464", "10.0.0.1:9"] {
            assert!(!is_loopback(far), "{far}");
        }
    }
}
