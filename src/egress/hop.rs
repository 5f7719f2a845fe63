//! How a session with a destination's hosts is opened: encrypted as its rules want it, and logged in where they say so.

use crate::egress::auth::Login;
use crate::egress::route::{Endpoint, RouteError, Timeouts};
use crate::egress::rules::Rules;
use crate::egress::smtp::{Connection, Trouble};
use crate::egress::tls::Tls;

/// What is needed for sessions with one destination.
pub(crate) struct Hop {
    tls: Tls,
    login: Option<Login>,
}

impl Hop {
    /// Reads the files that the rules name, but no password.
    ///
    /// # Errors
    /// The first that is of no use.
    pub(crate) fn new(rules: &Rules) -> Result<Self, RouteError> {
        let login = rules.auth.as_ref().map(Login::new).transpose();
        let login = login.map_err(|why| RouteError::Auth(why.to_owned()))?;
        Ok(Self { tls: Tls::new(rules)?, login })
    }

    /// A session in which copies can be sent.
    ///
    /// # Errors
    /// What stood against it; nothing of any copy was sent.
    pub(crate) async fn open(
        &self,
        host: &str,
        endpoint: &Endpoint,
        helo: &str,
        timeouts: &Timeouts,
    ) -> Result<Connection, Trouble> {
        let mut connection = Connection::open(host, endpoint, &self.tls, helo, timeouts).await?;
        if let Some(login) = &self.login {
            connection.authenticate(login).await?;
        }
        Ok(connection)
    }
}
