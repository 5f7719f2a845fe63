//! Persons of teams.

use super::refusal::Refused;
use super::{Desk, Reply};
use crate::control::wire::{Certificate, ErrorKind, TeamRequest};
use crate::id::ListName;
use crate::ledger::journal::Actor;
use crate::mail::address::Address;
use crate::mail::directory::Kind;
use crate::roster::membership::Role;

impl Desk {
    pub(super) fn team(&self, request: TeamRequest, actor: &Actor) -> Reply {
        match request {
            TeamRequest::Add { list, address, name, cert, role } => {
                self.team_add(&list, address, name, &cert, role, actor)
            }
            TeamRequest::Ls { list } => self.member_ls(list.as_ref(), true),
            TeamRequest::Remove { list, address } => self.remove(&list, &address, None, actor),
        }
    }

    fn team_add(
        &self,
        list: &ListName,
        address: Address,
        name: String,
        cert: &Certificate,
        role: Option<String>,
        actor: &Actor,
    ) -> Reply {
        self.not_public(list)?;
        let rules = self.list(list)?;
        if rules.kind != Kind::Intake {
            let next = match &rules.team {
                Some(team) => format!("its team is that of {team}: `team add --list {team} …`"),
                None => "members of this list are added with `member add`".to_owned(),
            };
            let why = format!("{list} is no intake list");
            return Err(Refused::new(ErrorKind::Usage, "nobody was added", why, &next));
        }
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            let why = "the name is empty or has control characters";
            return Err(Refused::new(ErrorKind::Usage, "nobody was added", why, "give a plain name"));
        }
        self.add(list, address, Role::Team { name, role }, cert, (None, false), actor)
    }
}
