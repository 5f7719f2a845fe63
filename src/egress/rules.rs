//! What holds on the way to one destination: what `[egress]` says, or one `[egress.domain.…]` in its place.
//!
//! An override stands alone. It inherits nothing that decides whom we trust or what we show: a smarthost's password or
//! client certificate never reaches another host because somebody forgot a line, and weaker rules for the one never
//! become those of the other.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::egress::auth::AuthSettings;
use crate::egress::settings::{DomainSettings, RouteError, Settings, Smarthost, TlsMode};
use crate::mail::address::Domain;

/// What holds on the way to one destination.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The key of the override; none for `[egress]` itself.
    pub key: Option<String>,
    /// The next hop; without it the domain's MX.
    pub smarthost: Option<Smarthost>,
    /// Whether connections must be encrypted and verified, and from when on.
    pub tls: TlsMode,
    /// Certification authorities to trust (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The name that the next hop's certificate must bear, where it is not the host's.
    pub server_name: Option<String>,
    /// The certificate that we show, and its secret key (PEM).
    pub client: Option<(PathBuf, PathBuf)>,
    /// How we log in.
    pub auth: Option<AuthSettings>,
    /// Whether the domain's MTA-STS policy counts.
    pub mta_sts: bool,
    /// Connections at the same time.
    pub connections: usize,
}

impl Rules {
    /// What connections towards this domain are pooled by. Two destinations with different rules never have the same:
    /// one domain has one set of rules, and a smarthost that an override names is not that of `[egress]`.
    #[must_use]
    pub fn destination(&self, domain: &Domain) -> String {
        self.smarthost_name().unwrap_or_else(|| domain.to_string())
    }

    /// Whether this is the destination of a smarthost by these rules.
    pub(crate) fn smarthost_named(&self, destination: &str) -> bool {
        self.smarthost_name().is_some_and(|name| name == destination)
    }

    fn smarthost_name(&self) -> Option<String> {
        Some(match (self.smarthost.as_ref()?, &self.key) {
            (next, None) => next.to_string(),
            (next, Some(key)) => format!("{next} for {key}"),
        })
    }

    fn check(&self) -> Result<(), RouteError> {
        if !(1..=1000).contains(&self.connections) {
            return Err(RouteError::Connections);
        }
        match (self.tls, &self.smarthost) {
            (TlsMode::None, None) => return Err(RouteError::ClearToTheWorld),
            (TlsMode::None, Some(next)) if !next.is_local() => {
                return Err(RouteError::ClearNotLocal(next.clone()));
            }
            (TlsMode::Implicit, None) => return Err(RouteError::ImplicitToTheWorld),
            (TlsMode::Required | TlsMode::Implicit, Some(Smarthost::Unix(_)))
                if self.server_name.is_none() =>
            {
                return Err(RouteError::NoServerName);
            }
            // RFC 8461 §4.1: the certificate has to bear the name of the MX.
            (_, None) if self.mta_sts && self.server_name.is_some() => return Err(RouteError::NameForAll),
            _ => {}
        }
        match &self.auth {
            Some(_) if self.smarthost.is_none() => Err(RouteError::LoginEverywhere),
            Some(auth) => auth.check().map_err(|why| RouteError::Auth(why.to_owned())),
            None => Ok(()),
        }
    }
}

/// One thing for the world at large, and others for some domains and what lies below them.
#[derive(Debug)]
pub(crate) struct Book<T> {
    base: T,
    exact: HashMap<String, T>,
    /// Keys with a dot in front.
    below: HashMap<String, T>,
}

impl<T> Book<T> {
    /// What holds for this domain: its own entry, else that of the nearest domain above it, else the base.
    pub(crate) fn of(&self, domain: &Domain) -> &T {
        let name = domain.as_str();
        let dots = name.match_indices('.').map(|(at, _)| name.get(at..).unwrap_or_default());
        let above = || dots.into_iter().find_map(|suffix| self.below.get(suffix));
        self.exact.get(name).or_else(above).unwrap_or(&self.base)
    }

    /// All entries, the base first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        [&self.base].into_iter().chain(self.exact.values()).chain(self.below.values())
    }

    /// The same book about something else.
    pub(crate) fn try_map<U, E>(&self, mut to: impl FnMut(&T) -> Result<U, E>) -> Result<Book<U>, E> {
        let base = to(&self.base)?;
        let mut each = |from: &HashMap<String, T>| -> Result<HashMap<String, U>, E> {
            from.iter().map(|(key, one)| Ok((key.clone(), to(one)?))).collect()
        };
        Ok(Book { base, exact: each(&self.exact)?, below: each(&self.below)? })
    }
}

impl Settings {
    /// The rules of `[egress]` itself, where no override holds.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn rules(&self) -> Result<Rules, RouteError> {
        let rules = Rules {
            key: None,
            smarthost: self.smarthost.clone(),
            tls: self.tls,
            ca_file: self.ca_file.clone(),
            server_name: self.server_name.clone(),
            client: pair(self.client_cert.clone(), self.client_key.clone())?,
            auth: self.auth.clone(),
            mta_sts: self.mta_sts && self.smarthost.is_none(),
            connections: self.connections,
        };
        rules.check().map(|()| rules)
    }

    /// The rules for every destination.
    ///
    /// # Errors
    /// The first contradiction, with the override that it is in.
    pub(crate) fn book(&self) -> Result<Book<Rules>, RouteError> {
        let mut book = Book { base: self.rules()?, exact: HashMap::new(), below: HashMap::new() };
        for (key, domain) in &self.domain {
            let within = |why| RouteError::Override { key: key.clone(), why: Box::new(why) };
            let below = key.strip_prefix('.');
            let name: Domain =
                below.unwrap_or(key).parse().map_err(|_| within(RouteError::OverrideKey(key.clone())))?;
            let rules = override_rules(key, domain, self.connections).map_err(within)?;
            let twice = match below {
                Some(_) => book.below.insert(format!(".{name}"), rules),
                None => book.exact.insert(name.to_string(), rules),
            };
            if twice.is_some() {
                return Err(within(RouteError::OverrideTwice(name.to_string())));
            }
        }
        Ok(book)
    }
}

fn override_rules(key: &str, from: &DomainSettings, connections: usize) -> Result<Rules, RouteError> {
    if from.smarthost.is_some() && from.mta_sts == Some(true) {
        return Err(RouteError::PolicyWithSmarthost);
    }
    let rules = Rules {
        key: Some(key.to_owned()),
        smarthost: from.smarthost.clone(),
        tls: from.tls,
        ca_file: from.ca_file.clone(),
        server_name: from.server_name.clone(),
        client: pair(from.client_cert.clone(), from.client_key.clone())?,
        auth: from.auth.clone(),
        mta_sts: from.mta_sts.unwrap_or(true) && from.smarthost.is_none(),
        connections: from.connections.unwrap_or(connections),
    };
    rules.check().map(|()| rules)
}

fn pair(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<(PathBuf, PathBuf)>, RouteError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err(RouteError::HalfAClient),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        toml::from_str(text).unwrap()
    }

    fn why(text: &str) -> RouteError {
        match settings(text).book().unwrap_err() {
            RouteError::Override { why, .. } => *why,
            why => why,
        }
    }

    #[test]
    fn the_nearest_override_holds() {
        let settings = settings(
            "smarthost = \"127.0.0.1:25\"\ntls = \"none\"\n\
             [domain.\"example.org\"]\nsmarthost = \"a.example.org:25\"\n\
             [domain.\".example.org\"]\nsmarthost = \"b.example.org:25\"\n\
             [domain.\".deep.example.org\"]\n",
        );
        let book = settings.book().unwrap();
        let destination = |domain: &str| {
            let domain = domain.parse().unwrap();
            book.of(&domain).destination(&domain)
        };
        assert_eq!(destination("example.org"), "a.example.org:25 for example.org");
        assert_eq!(destination("x.example.org"), "b.example.org:25 for .example.org");
        assert_eq!(destination("y.x.example.org"), "b.example.org:25 for .example.org");
        assert_eq!(
            destination("deep.example.org"),
            "b.example.org:25 for .example.org",
            "it is not below itself"
        );
        assert_eq!(destination("x.deep.example.org"), "x.deep.example.org", "an empty override is the MX");
        assert_eq!(destination("notexample.org"), "127.0.0.1:25");
        assert_eq!(destination("example.net"), "127.0.0.1:25");
    }

    #[test]
    fn an_override_inherits_nothing_of_trust() {
        let settings = settings(
            "smarthost = \"mail.example.net:587\"\nca_file = \"ca.pem\"\nserver_name = \"x.example\"\nconnections = 3\n\
             client_cert = \"c.pem\"\nclient_key = \"k.pem\"\nmta_sts = false\n\
             auth = { username = \"u\", password_file = \"p\" }\n\
             [domain.\"example.org\"]\n",
        );
        let book = settings.book().unwrap();
        let rules = book.of(&"example.org".parse().unwrap());
        assert!(rules.smarthost.is_none() && rules.ca_file.is_none() && rules.server_name.is_none());
        assert!(rules.client.is_none() && rules.auth.is_none() && rules.mta_sts);
        assert_eq!((rules.tls, rules.connections), (TlsMode::Required, 3));
    }

    #[test]
    fn domains_are_known_in_every_spelling() {
        let settings = settings("[domain.\"Bücher.example\"]\nsmarthost = \"mx.example.org:25\"");
        let book = settings.book().unwrap();
        assert!(book.of(&"xn--bcher-kva.example".parse().unwrap()).smarthost.is_some());
    }

    #[test]
    fn contradictions_of_an_override_are_named_with_it() {
        let clear = "[domain.\"example.org\"]\ntls = \"none\"";
        let shown = settings(clear).book().unwrap_err().to_string();
        assert!(shown.starts_with("[egress.domain.\"example.org\"]: tls = \"none\" without"), "{shown}");
        assert_eq!(why(clear), RouteError::ClearToTheWorld);
        let of = |lines: &str| why(&format!("[domain.\"example.org\"]\n{lines}"));
        assert!(matches!(of("smarthost = \"192.0.2.1:25\"\ntls = \"none\""), RouteError::ClearNotLocal(_)));
        assert_eq!(of("tls = \"implicit\""), RouteError::ImplicitToTheWorld);
        assert_eq!(of("smarthost = \"a:25\"\nmta_sts = true"), RouteError::PolicyWithSmarthost);
        assert_eq!(of("client_cert = \"c\""), RouteError::HalfAClient);
        assert_eq!(of("auth = { username = \"u\", password_file = \"p\" }"), RouteError::LoginEverywhere);
        assert_eq!(of("server_name = \"mx.example.org\""), RouteError::NameForAll);
        assert_eq!(of("connections = 0"), RouteError::Connections);
        assert!(matches!(of("smarthost = \"a:25\"\nauth = { username = \"u\" }"), RouteError::Auth(_)));
        assert!(matches!(why("[domain.\"a b\"]"), RouteError::OverrideKey(_)));
        assert!(matches!(why("[domain.a]\n[domain.A]"), RouteError::OverrideTwice(_)));
    }
}
