//! Logging in over an open connection.

use lettre::transport::smtp::response::{Response, Severity};

use crate::egress::auth::{Exchange, Login};
use crate::egress::smtp::trouble::{Step, Trouble};
use crate::egress::smtp::{Connection, wanted};

impl Connection {
    /// Logs in (RFC 4954). The connection is encrypted and verified, or does not leave this machine: there is no other.
    ///
    /// # Errors
    /// Why we are not let in; nothing of any copy was sent.
    pub(crate) async fn authenticate(&mut self, login: &Login) -> Result<(), Trouble> {
        let Some(mechanism) = login.mechanism(self.offers.auth) else {
            return Err(Trouble::NoLogin("the host offers no AUTH mechanism that may be used".to_owned()));
        };
        let secret = login.secret().await.map_err(Trouble::NoLogin)?;
        let mut exchange = login.begin(mechanism, secret);
        let (at, limit) = (Step::Auth, self.timeouts.command);
        let mut line = exchange.command();
        loop {
            self.wire.say(at, &line, limit).await?;
            let reply = self.wire.hear(at, limit).await?;
            if reply.code().severity != Severity::PositiveIntermediate {
                return wanted(at, without_secrets(reply, &exchange)).map(drop);
            }
            // RFC 4954 §4: a line with a single "*" cancels.
            let Some(next) = exchange.answer() else {
                self.wire.say(at, b"*\r\n", limit).await?;
                return Err(Trouble::Malformed(at, "it asks for more than a password"));
            };
            line = next;
        }
    }
}

/// A reply to AUTH as it may be kept and shown: some hosts repeat what they were sent.
fn without_secrets(reply: Response, exchange: &Exchange) -> Response {
    if reply.message().any(|line| exchange.is_repeated_in(line)) {
        return Response::new(reply.code(), vec!["(the reply repeats the password)".to_owned()]);
    }
    reply
}
