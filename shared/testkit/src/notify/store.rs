//! What the sandbox holds, in the order in which it was accepted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::failures::{Failure, Mode, On};
use super::validate::{self, Outcome};

/// Channel of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Sms,
    Letter,
}

impl Channel {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Letter => "letter",
        }
    }
}

/// A message that was accepted.
pub(super) struct Notification {
    pub(super) id: Uuid,
    pub(super) channel: Channel,
    pub(super) send: validate::Send,
    pub(super) created: Timestamp,
    pub(super) completed: Option<Timestamp>,
    pub(super) status: &'static str,
}

#[derive(Default)]
pub(super) struct Store {
    notifications: Vec<Notification>,
    ids: HashMap<Uuid, usize>,
    references: HashMap<String, Vec<usize>>,
    accepted: VecDeque<Instant>,
    failures: Vec<Failure>,
    seen: HashMap<(On, String), u32>,
    /// Faults that happened.
    happened: BTreeMap<(On, Mode), u64>,
    /// Requests that came too fast, by the limit and not by a fault.
    too_fast: u64,
}

impl Store {
    pub(super) fn len(&self) -> usize {
        self.notifications.len()
    }

    pub(super) fn add(&mut self, id: Uuid, channel: Channel, send: validate::Send, now: Timestamp) {
        let at = self.notifications.len();
        self.ids.insert(id, at);
        if let Some(reference) = &send.reference {
            self.references.entry(reference.clone()).or_default().push(at);
        }
        let status = match channel {
            Channel::Sms => "created",
            Channel::Letter => "accepted",
        };
        self.notifications.push(Notification { id, channel, send, created: now, completed: None, status });
    }

    /// Gives a message its final status; the body of its receipt where there is one.
    pub(super) fn complete(&mut self, id: Uuid, now: Timestamp) -> Option<Value> {
        let found = self.ids.get(&id).and_then(|&at| self.notifications.get_mut(at))?;
        found.status = match (found.channel, validate::outcome(&found.send.to)) {
            (Channel::Letter, _) => "received",
            (Channel::Sms, Outcome::Delivered) => "delivered",
            (Channel::Sms, Outcome::PermanentFailure) => "permanent-failure",
            (Channel::Sms, Outcome::TemporaryFailure) => "temporary-failure",
        };
        found.completed = Some(now);
        (found.channel == Channel::Sms).then(|| found.as_receipt())
    }

    pub(super) fn by_id(&self, id: Uuid) -> Option<&Notification> {
        self.ids.get(&id).and_then(|&at| self.notifications.get(at))
    }

    /// A page, newest first.
    pub(super) fn find(
        &self,
        reference: Option<&str>,
        channel: Option<Channel>,
        status: Option<&str>,
        older_than: Option<Uuid>,
        page: usize,
    ) -> Vec<&Notification> {
        let end = older_than.and_then(|id| self.ids.get(&id).copied()).unwrap_or(self.notifications.len());
        let all: Box<dyn Iterator<Item = usize>> = match reference {
            Some(reference) => Box::new(self.references.get(reference).into_iter().flatten().rev().copied()),
            None => Box::new((0..end).rev()),
        };
        all.filter(|&at| at < end)
            .filter_map(|at| self.notifications.get(at))
            .filter(|found| {
                channel.is_none_or(|channel| found.channel == channel)
                    && status.is_none_or(|status| found.status == status)
            })
            .take(page)
            .collect()
    }

    /// All that was accepted, oldest first.
    pub(super) fn sent(&self) -> Vec<Value> {
        self.notifications
            .iter()
            .map(|found| {
                json!({
                    "id": found.id, "channel": found.channel.name(), "reference": found.send.reference, "to": found.send.to,
                    "template": found.send.template, "at": written(found.created), "status": found.status,
                })
            })
            .collect()
    }

    /// Counts a request to send; whether it is within the limit of a rolling minute.
    pub(super) fn within_rate(&mut self, limit: usize) -> bool {
        if limit == 0 {
            return true;
        }
        let now = Instant::now();
        while self.accepted.front().is_some_and(|&at| now.duration_since(at) >= Duration::from_secs(60)) {
            self.accepted.pop_front();
        }
        if self.accepted.len() >= limit {
            self.too_fast += 1;
            return false;
        }
        self.accepted.push_back(now);
        true
    }

    pub(super) fn set_failures(&mut self, failures: Vec<Failure>) {
        self.failures = failures;
        self.seen.clear();
    }

    pub(super) fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// The fault that hits this request, if any.
    pub(super) fn fault(&mut self, on: On, reference: &str) -> Option<Failure> {
        if self.failures.is_empty() {
            return None;
        }
        let seen = self.seen.entry((on, reference.to_owned())).or_default();
        let attempt = *seen;
        *seen += 1;
        let failure = self.failures.iter().find(|failure| failure.hits(on, reference, attempt)).cloned();
        if let Some(failure) = &failure {
            *self.happened.entry((on, failure.mode)).or_default() += 1;
        }
        failure
    }

    /// Faults that happened, and requests that came too fast.
    pub(super) fn counts(&self) -> Value {
        let faults: Vec<Value> =
            self.happened.iter().map(|((on, mode), count)| json!({"on": on, "mode": mode, "count": count})).collect();
        json!({"faults": faults, "too_fast": self.too_fast})
    }
}

impl Notification {
    /// As `GET /v2/notifications/{id}` answers.
    pub(super) fn as_notify(&self) -> Value {
        let sms = self.channel == Channel::Sms;
        let line = |index: usize| {
            if sms { None } else { self.send.address.get(index).filter(|_| index + 1 < self.send.address.len()) }
        };
        json!({
            "id": self.id,
            "reference": self.send.reference,
            "email_address": null,
            "phone_number": sms.then_some(&self.send.to),
            "line_1": line(0), "line_2": line(1), "line_3": line(2), "line_4": line(3), "line_5": line(4), "line_6": line(5),
            "postcode": if sms { None } else { self.send.address.last() },
            "postage": (!sms).then_some("second"),
            "type": self.channel.name(),
            "status": self.status,
            "template": {"id": self.send.template, "version": 1, "uri": format!("/v2/template/{}", self.send.template)},
            "body": self.send.body,
            "subject": self.send.subject,
            "created_at": written(self.created),
            "created_by_name": null,
            "sent_at": self.completed.map(written),
            "completed_at": self.completed.map(written),
            "scheduled_for": null,
        })
    }

    fn as_receipt(&self) -> Value {
        json!({
            "id": self.id,
            "reference": self.send.reference,
            "to": self.send.to,
            "status": self.status,
            "created_at": written(self.created),
            "completed_at": self.completed.map(written),
            "sent_at": self.completed.map(written),
            "notification_type": self.channel.name(),
            "template_id": self.send.template,
            "template_version": 1,
        })
    }
}

/// Notify's way to write a time: microseconds and Z.
fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
