//! What became of a campaign's messages, for the console: `picture/{campaign}.delivery.json`.

use std::collections::{BTreeMap, HashMap};

use ims_messaging::{Bucket, ObjectError, Objects};
use ims_snapshot::{ContactRow, PersonRow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Messages that have the same in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    /// Step.
    pub step: String,
    /// Channel.
    pub channel: String,
    /// State.
    pub state: String,
    /// Why it was withdrawn or failed, in a word or two.
    pub reason: String,
}

/// How many messages have something in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What.
    #[serde(flatten)]
    pub kind: Kind,
    /// Messages.
    pub messages: u64,
}

/// Messages of a region that left, by what is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrivals {
    /// Region code; empty where it is not known.
    pub region: String,
    /// Channel.
    pub channel: String,
    /// The provider says that they arrived.
    pub delivered: u64,
    /// The provider says that they did not, or refused them.
    pub failed: u64,
    /// Nothing is known yet, or ever will be: of letters only what comes back.
    pub under_way: u64,
}

/// What became of a campaign's messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Campaign.
    pub campaign: String,
    /// The snapshot's manifest.
    pub manifest: String,
    /// When it was written.
    pub written: Timestamp,
    /// By step, channel, state and reason.
    pub counts: Vec<Count>,
    /// By region and channel.
    pub regions: Vec<Arrivals>,
}

/// Messages, as they are counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deliveries {
    counts: BTreeMap<Kind, u64>,
    regions: BTreeMap<(String, String), [u64; 3]>,
}

impl Deliveries {
    /// Adds one part of the population. All rows of a person are in one part.
    pub(crate) fn add_part(&mut self, campaign: &str, people: &[PersonRow], contacts: &[ContactRow]) {
        let messages = contacts.iter().filter(|row| row.kind == "message" && row.campaign == campaign);
        let regions: HashMap<&str, &str> =
            people.iter().map(|row| (row.person_id.as_str(), row.region.as_str())).collect();
        for row in messages {
            let kind = Kind {
                step: row.step.clone(),
                channel: row.channel.clone(),
                state: row.state.clone(),
                // What follows a colon is the provider's own sentence.
                reason: row.reason.split(':').next().unwrap_or_default().trim().to_owned(),
            };
            *self.counts.entry(kind).or_default() += 1;
            let place = match row.state.as_str() {
                "delivered" => 0,
                "failed" => 1,
                "sent" | "sending" | "unknown" => 2,
                _ => continue,
            };
            let region = regions.get(row.person_id.as_str()).copied().unwrap_or_default();
            self.regions.entry((region.to_owned(), row.channel.clone())).or_default()[place] += 1;
        }
    }

    /// All that was counted.
    pub(crate) fn file(&self, campaign: &str, manifest: &str, written: Timestamp) -> Delivery {
        let counts = self.counts.iter().map(|(kind, messages)| Count { kind: kind.clone(), messages: *messages });
        let regions = self.regions.iter().map(|((region, channel), [delivered, failed, under_way])| Arrivals {
            region: region.clone(),
            channel: channel.clone(),
            delivered: *delivered,
            failed: *failed,
            under_way: *under_way,
        });
        Delivery {
            campaign: campaign.to_owned(),
            manifest: manifest.to_owned(),
            written,
            counts: counts.collect(),
            regions: regions.collect(),
        }
    }
}

impl Delivery {
    /// Writes it, whatever was there: the latest report wins.
    pub(crate) async fn put(&self, objects: &Objects) -> Result<(), ObjectError> {
        objects.put_json(Bucket::Exports, &format!("picture/{}.delivery.json", self.campaign), self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_what_became_of_them_and_where() {
        let message = |person: &str, channel: &str, state: &str, reason: &str| ContactRow {
            kind: "message".into(),
            person_id: person.into(),
            campaign: "flu".into(),
            step: "invite".into(),
            channel: channel.into(),
            state: state.into(),
            reason: reason.into(),
            ..ContactRow::default()
        };
        let person =
            |id: &str, region: &str| PersonRow { person_id: id.into(), region: region.into(), ..PersonRow::default() };
        let mut deliveries = Deliveries::default();
        let other = ContactRow { campaign: "covid".into(), ..message("1", "sms", "sent", "") };
        let call = ContactRow { kind: "call".into(), ..message("1", "telephone", "done", "") };
        deliveries.add_part(
            "flu",
            &[person("1", "Y56"), person("2", "Y63")],
            &[
                message("1", "sms", "failed", "refused 400: BadRequestError"),
                message("1", "letter", "sent", ""),
                message("2", "sms", "delivered", ""),
                message("2", "sms", "withdrawn", "dead"),
                other,
                call,
            ],
        );
        deliveries.add_part("flu", &[], &[message("3", "sms", "failed", "refused 400: another sentence")]);
        let file = deliveries.file("flu", "m1", Timestamp::UNIX_EPOCH);
        let counts: Vec<(&str, &str, &str, u64)> = file
            .counts
            .iter()
            .map(|count| {
                let kind = &count.kind;
                (kind.channel.as_str(), kind.state.as_str(), kind.reason.as_str(), count.messages)
            })
            .collect();
        assert_eq!(
            counts,
            [
                ("letter", "sent", "", 1),
                ("sms", "delivered", "", 1),
                ("sms", "failed", "refused 400", 2),
                ("sms", "withdrawn", "dead", 1)
            ]
        );
        let sums: Vec<(&str, &str, [u64; 3])> = file
            .regions
            .iter()
            .map(|one| (one.region.as_str(), one.channel.as_str(), [one.delivered, one.failed, one.under_way]))
            .collect();
        assert_eq!(
            sums,
            [
                ("", "sms", [0, 1, 0]),
                ("Y56", "letter", [0, 0, 1]),
                ("Y56", "sms", [0, 1, 0]),
                ("Y63", "sms", [1, 0, 0])
            ]
        );
    }
}
