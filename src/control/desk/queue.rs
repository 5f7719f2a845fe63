//! Queued copies, and the destinations that they wait for.

use super::acting::Acting;
use super::mail::{all, count, cursor, page_size};
use super::refusal::{Refused, not_found};
use super::{Desk, Reply, done};
use crate::control::wire::{Answer, ErrorKind, Page, ParcelRow, Part, RestRow};
use crate::id::{ListName, ParcelId};
use crate::ledger::queue::{Row, State};
use crate::ledger::rests::Rest;

/// How many copies one request tries again: each is a durable write.
const RETRIES: usize = 100;

impl Desk {
    pub(super) fn queue_ls(
        &self,
        list: Option<&ListName>,
        destination: Option<&str>,
        after: Option<&str>,
        limit: u64,
    ) -> Reply {
        self.known(list)?;
        let after = cursor::<ParcelId>(after)?;
        let limit = page_size(limit);
        let rows = self.queue.ls(after, limit)?;
        let more = (rows.len() == limit).then(|| rows.last().map(|r| r.id.to_string())).flatten();
        let rows = rows.into_iter().filter(|r| list.is_none_or(|l| r.list == *l));
        let rows = rows.map(|row| self.parcel_row(row));
        let rows = rows.filter(|row| destination.is_none_or(|name| row.destination == name));
        Ok(Answer::Parcels(Page { rows: rows.collect(), more }))
    }

    pub(super) fn all_parcels(&self) -> Result<Vec<Row>, Refused> {
        all(|after| self.queue.ls(after, 1000), |row| row.id)
    }

    pub(super) fn queue_show(&self, id: ParcelId) -> Reply {
        let row = self.queue.get(id)?.ok_or_else(|| no_parcel(id))?;
        Ok(Answer::Parcel(Box::new(self.parcel_row(row))))
    }

    pub(super) fn queue_retry(&self, id: ParcelId) -> Reply {
        let now = self.clock.now();
        let row = self.queue.get(id)?;
        let waits = row.filter(|row| matches!(row.state, State::Due | State::Deferred | State::Failed));
        let destination = waits.map(|row| self.destination(&row));
        // First of all: a courier that finds the copy due must not find its destination at rest.
        let until = destination.as_deref().and_then(|destination| self.rests.end(destination, now));
        if !self.queue.retry(id, now)? {
            let row = self.queue.get(id)?.ok_or_else(|| no_parcel(id))?;
            if matches!(row.state, State::Bounced | State::Delayed) {
                return Err(Refused::new(
                    ErrorKind::Data,
                    "the copy was not tried again",
                    "the next hop had taken it over, and the relay has no copy of it any more",
                    "reach its reader another way, or have the author post it again",
                ));
            }
            let why = format!("it is {}", row.state.as_str());
            return Err(Refused::new(
                ErrorKind::Busy,
                "the copy was left as it is",
                why,
                "wait for its outcome",
            ));
        }
        if let Some(destination) = destination {
            // Whoever waits for the same destination goes with it; what was deferred for reasons of its own stays.
            self.queue.hurry(now, |wait| {
                (wait.untried || Some(wait.due) == until)
                    && self.rests.destination(wait.domain) == destination
            })?;
        }
        self.queued.notify_one();
        Ok(done(format!("{id} is tried now")))
    }

    pub(super) fn queue_retry_all(&self, list: Option<&ListName>, after: Option<&str>) -> Reply {
        self.known(list)?;
        let rows = self.queue.ls(cursor::<ParcelId>(after)?, RETRIES)?;
        let more = (rows.len() == RETRIES).then(|| rows.last().map(|r| r.id.to_string())).flatten();
        let looked = count(rows.len());
        let now = self.clock.now();
        let wanted: Vec<Row> = rows
            .into_iter()
            .filter(|row| {
                // One that waits for its destination may not have been tried yet.
                let waits = row.state == State::Due && row.next.is_some_and(|next| next > now);
                let wanted = waits || matches!(row.state, State::Deferred | State::Failed);
                wanted && list.is_none_or(|l| row.list == *l)
            })
            .collect();
        match list {
            Some(_) => {
                for row in &wanted {
                    self.rests.end(&self.destination(row), now);
                }
            }
            None => self.rests.end_all(now),
        }
        let tried: Result<Vec<bool>, _> = wanted.iter().map(|row| self.queue.retry(row.id, now)).collect();
        // Where one failed, those before it are due all the same.
        self.queued.notify_one();
        let tried = count(tried?.into_iter().filter(|tried| *tried).count());
        let (due, claimed, deferred, failed) = self.queue.counts()?;
        let total = count(due + claimed + deferred + failed);
        Ok(Answer::Retried { tried, done: Part { looked, total, more } })
    }

    /// Where a copy goes to.
    fn destination(&self, row: &Row) -> String {
        let domain = row.recipient.rsplit_once('@').and_then(|(_, domain)| domain.parse().ok());
        domain.map(|domain| self.rests.destination(&domain)).unwrap_or_default()
    }

    fn parcel_row(&self, row: Row) -> ParcelRow {
        let destination = self.destination(&row);
        let waits = row.next.is_some();
        let rest = self.rests.now(&destination, self.clock.now()).filter(|_| waits);
        let (host, step, tried) = row
            .met
            .map(|met| (met.host, met.step, met.at.to_string()))
            .map_or_else(|| (None, None, None), |(host, step, at)| (Some(host), Some(step), Some(at)));
        ParcelRow {
            id: row.id.to_string(),
            list: row.list.to_string(),
            member: row.member.to_string(),
            recipient: row.recipient,
            state: row.state.as_str().to_owned(),
            attempts: u64::from(row.attempts),
            last: row.last,
            next: row.next.map(|t| t.to_string()),
            destination,
            host,
            step,
            tried,
            rests: rest.map(rest_row),
            since: row.queued_at.to_string(),
            size: row.size,
        }
    }

    pub(super) fn queue_drop(&self, id: ParcelId, actor: &Acting) -> Reply {
        if !self.queue.drop_parcel(id, &actor.who, self.clock.now())? {
            return Err(no_parcel(id));
        }
        Ok(done(format!("{id} is gone; its reader will not get it")))
    }
}

fn rest_row(rest: Rest) -> RestRow {
    RestRow {
        since: rest.since.to_string(),
        until: rest.until.to_string(),
        times: u64::from(rest.times),
        host: rest.host,
        step: rest.step,
        why: rest.why,
    }
}

fn no_parcel(id: ParcelId) -> Refused {
    not_found(
        format!("no queued copy has the id {id}"),
        "it was delivered, withdrawn or dropped",
        "see `queue ls`",
    )
}
