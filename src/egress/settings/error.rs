//! Settings that no mail could leave by, in words.

use crate::egress::settings::smarthost::Smarthost;

/// Settings that no mail could leave by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// In the clear to a host elsewhere.
    #[error(
        "tls = \"none\" would send mail in the clear to {0}, which is not on this machine; \
         remove it, or name a smarthost on a loopback address or a Unix socket"
    )]
    ClearNotLocal(Smarthost),
    /// In the clear to everyone's MX.
    #[error(
        "tls = \"none\" without a smarthost would send mail in the clear to the whole world; \
         remove it, or name a smarthost on a loopback address or a Unix socket"
    )]
    ClearToTheWorld,
    /// A Unix socket has no name that a certificate could bear.
    #[error(
        "a smarthost on a Unix socket has no name to verify; \
         set server_name to the name in its certificate, or tls = \"none\""
    )]
    NoServerName,
    /// Nothing could be sent, or more at once than any host has ports for.
    #[error("connections must be 1 to 1000 and connections_total 1 to 10000")]
    Connections,
    /// A connection that carries nothing.
    #[error("messages_per_connection must be at least 1, the copy that the connection was opened for")]
    NoMessages,
    /// Retrying could not work.
    #[error("retry_first must be above zero, retry_max at least as long, and lease at least 10 ms")]
    Schedule,
    /// EHLO needs a name.
    #[error("helo = \"{0}\" is no domain name; give the name under which this host is known")]
    Helo(String),
    /// Certificates bear names.
    #[error("server_name = \"{0}\" is no host name; give the name in the next hop's certificate")]
    ServerName(String),
    /// No authority could be read.
    #[error(
        "no certification authority can be read from {place} ({why}); set ca_file to a PEM file with at least one"
    )]
    Authorities {
        /// The file, or the system's store.
        place: String,
        /// What was wrong.
        why: String,
    },
    /// The TLS library refused its configuration.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// MX hosts listen in the clear and offer STARTTLS.
    #[error(
        "tls = \"implicit\" needs a smarthost: mail hosts on port 25 begin in the clear and offer STARTTLS; \
         use tls = \"required\", which is as strict"
    )]
    ImplicitToTheWorld,
    /// A certificate without its key, or the other way round.
    #[error("client_cert and client_key belong together: set both or none")]
    HalfAClient,
    /// The certificate or its key is of no use.
    #[error("the client certificate cannot be used: {0}")]
    Client(String),
    /// A password for everyone's MX.
    #[error(
        "a login without a smarthost would show the password to every mail host; name the smarthost it is for"
    )]
    LoginEverywhere,
    /// Something about the login.
    #[error("auth: {0}")]
    Auth(String),
    /// One name for all MX hosts, against MTA-STS.
    #[error(
        "server_name without a smarthost is one name for all mail hosts, where an MTA-STS policy wants each to prove \
         its own; remove it, name a smarthost, or set mta_sts = false"
    )]
    NameForAll,
    /// MTA-STS is about MX hosts.
    #[error("mta_sts = true has no effect beside a smarthost; leave one of them out")]
    PolicyWithSmarthost,
    /// An override for nothing.
    #[error("\"{0}\" is no domain; write \"example.org\", or \".example.org\" for everything below it")]
    OverrideKey(String),
    /// The same domain in two spellings.
    #[error("{0} has another override in another spelling; leave one of them out")]
    OverrideTwice(String),
    /// Something about an override.
    #[error("[egress.domain.\"{key}\"]: {why}")]
    Override {
        /// Its key.
        key: String,
        /// What.
        why: Box<RouteError>,
    },
    /// There is no name service.
    #[error("the name service cannot be set up ({0}); set [dns] resolver, as in resolver = \"127.0.0.1:53\"")]
    Resolver(String),
}
