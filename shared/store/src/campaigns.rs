//! Campaign definitions and waves.

use aws_sdk_dynamodb::types::AttributeValue;
use ims_domain::campaign::{ContactPlan, Wave, WaveState};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{AuditEntry, Store, StoreError, Table, Transaction, from_item, keys, to_item};

/// A campaign at one version: its eligibility rules (EliD JSON) and its contact plan. Never changed once written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Campaign.
    pub campaign: String,
    /// Version, from 1.
    pub version: u32,
    /// The EliD campaign configuration, as given.
    pub rules: String,
    /// The contact plan.
    pub plan: ContactPlan,
    /// Who wrote it: the names in verified tokens. Empty for what was not stored by anybody.
    #[serde(default)]
    pub authors: Vec<String>,
}

/// A draft of a campaign's next version, with the preview that was asked for. Never changed once written; it is not in
/// force until it is defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Campaign.
    pub campaign: String,
    /// Id: a UUID that sorts by time.
    pub draft: String,
    /// Who wrote it.
    pub author: String,
    /// When, by the system clock.
    pub created: Timestamp,
    /// The EliD campaign configuration, as given.
    pub rules: String,
    /// The contact plan: that of the version it is compared with.
    pub plan: ContactPlan,
    /// Version that was in force, with which it is compared.
    pub base: u32,
    /// Snapshot manifest of the preview.
    pub manifest: String,
    /// Parts of that snapshot.
    pub parts: u32,
    /// Business day of the preview: rules are evaluated as of this day.
    pub day: Date,
}

impl Draft {
    /// How long a draft is kept: 90 days.
    pub const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
}

/// What selection found in one snapshot part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartResult {
    /// Part number.
    pub part: u32,
    /// People in the part.
    pub people: u64,
    /// People who are eligible.
    pub eligible: u64,
    /// Candidates.
    pub candidates: u64,
    /// Object in the work bucket that lists the candidates in order.
    pub object: String,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    campaign: String,
}

/// Version and business day for which the selection of waves to come was last brought up to date.
#[derive(Serialize, Deserialize)]
struct KeptOn {
    definition: u32,
    day: Date,
}

#[derive(Serialize)]
struct Gate {
    state: WaveState,
}

impl Store {
    /// Writes a new version of a campaign, with the audit entry of its author.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where that version exists.
    pub async fn create_definition(&self, definition: &Definition, entry: &AuditEntry) -> Result<(), StoreError> {
        let (pk, sk) = keys::definition(&definition.campaign, definition.version);
        let (list, name) = keys::listed_campaign(&definition.campaign);
        self.transaction()
            .create(Table::Campaign, to_item(&pk, &sk, definition)?)
            .put(Table::Campaign, to_item(&list, &name, &Listed { campaign: definition.campaign.clone() })?)
            .audit(entry)?
            .commit()
            .await
    }

    /// The names of all campaigns, in order.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn campaigns(&self) -> Result<Vec<String>, StoreError> {
        let items = self.query(Table::Campaign, keys::CAMPAIGNS_PK, "").await?;
        items.into_iter().map(|item| from_item::<Listed>(item).map(|listed| listed.campaign)).collect()
    }

    /// A campaign at one version.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn definition(&self, campaign: &str, version: u32) -> Result<Option<Definition>, StoreError> {
        self.get(Table::Campaign, keys::definition(campaign, version)).await?.map(from_item).transpose()
    }

    /// The latest version of a campaign.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn latest_definition(&self, campaign: &str) -> Result<Option<Definition>, StoreError> {
        let items = self.query(Table::Campaign, &format!("C#{campaign}"), "DEF#").await?;
        items.into_iter().next_back().map(from_item).transpose()
    }

    /// Writes a draft.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where there is one with its id.
    pub async fn create_draft(&self, draft: &Draft) -> Result<(), StoreError> {
        let (pk, sk) = keys::draft(&draft.campaign, &draft.draft);
        self.transaction().create(Table::Campaign, to_item(&pk, &sk, draft)?).commit().await
    }

    /// A draft.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn draft(&self, campaign: &str, draft: &str) -> Result<Option<Draft>, StoreError> {
        self.get(Table::Campaign, keys::draft(campaign, draft)).await?.map(from_item).transpose()
    }

    /// Removes a draft, there or not.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn remove_draft(&self, campaign: &str, draft: &str) -> Result<(), StoreError> {
        self.transaction().delete(Table::Campaign, keys::draft(campaign, draft)).commit().await
    }

    /// Ids of a campaign's drafts that were written before an instant.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn drafts_before(&self, campaign: &str, instant: Timestamp) -> Result<Vec<String>, StoreError> {
        let (pk, first) = keys::draft(campaign, "");
        let (_, last) = keys::draft(campaign, &keys::first_id_at(instant));
        let items = self.query_between(Table::Campaign, &pk, &first, &last).await?;
        items.into_iter().map(|item| from_item::<Draft>(item).map(|draft| draft.draft)).collect()
    }

    /// The drafts of a campaign, the latest last.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn drafts(&self, campaign: &str) -> Result<Vec<Draft>, StoreError> {
        let items = self.query(Table::Campaign, &format!("C#{campaign}"), "DRAFT#").await?;
        items.into_iter().map(from_item).collect()
    }

    /// Version and business day for which the selection of a campaign's waves to come was last brought up to date.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn kept_on(&self, campaign: &str) -> Result<Option<(u32, Date)>, StoreError> {
        let item = self.get(Table::Campaign, keys::kept_on(campaign)).await?;
        let kept = item.map(from_item::<KeptOn>).transpose()?;
        Ok(kept.map(|kept| (kept.definition, kept.day)))
    }

    /// Notes that it was brought up to date.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn note_kept(&self, campaign: &str, (definition, day): (u32, Date)) -> Result<(), StoreError> {
        let (pk, sk) = keys::kept_on(campaign);
        self.put(Table::Campaign, to_item(&pk, &sk, &KeptOn { definition, day })?).await
    }

    /// A wave.
    ///
    /// # Errors
    /// Where the table or the item cannot be read.
    pub async fn wave(&self, campaign: &str, wave: &str) -> Result<Option<Wave>, StoreError> {
        self.get(Table::Campaign, keys::wave(campaign, wave)).await?.map(from_item).transpose()
    }

    /// All waves of a campaign.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn waves(&self, campaign: &str) -> Result<Vec<Wave>, StoreError> {
        let items = self.query(Table::Campaign, &format!("C#{campaign}"), "WAVE#").await?;
        items.into_iter().map(from_item).collect()
    }

    /// Creates a wave, with the audit entry of whoever planned it.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where it exists.
    pub async fn create_wave(&self, wave: &Wave, entry: &AuditEntry) -> Result<(), StoreError> {
        let (pk, sk) = keys::wave(&wave.campaign, &wave.wave);
        self.transaction().create(Table::Campaign, to_item(&pk, &sk, wave)?).audit(entry)?.commit().await
    }

    /// Writes a wave over the one held, whose next version it is; its gates with it where its state changed, and the audit
    /// entry of whoever moved it.
    ///
    /// # Errors
    /// [`StoreError::Condition`] where somebody else wrote it first.
    pub async fn move_wave(&self, wave: &Wave, held: &Wave, entry: Option<&AuditEntry>) -> Result<(), StoreError> {
        let (pk, sk) = keys::wave(&wave.campaign, &wave.wave);
        let mut transaction = self.transaction().replace(Table::Campaign, to_item(&pk, &sk, wave)?, held.version);
        if wave.state != held.state {
            for shard in 0..keys::SHARDS {
                let (pk, sk) = keys::gate(&wave.campaign, &wave.wave, shard);
                transaction = transaction.put(Table::Campaign, to_item(&pk, &sk, &Gate { state: wave.state })?);
            }
        }
        if let Some(entry) = entry {
            transaction = transaction.audit(entry)?;
        }
        transaction.commit().await
    }

    /// Notes what selection found in a part; the same part may be noted again.
    ///
    /// # Errors
    /// Where the table cannot be written.
    pub async fn put_part(&self, campaign: &str, wave: &str, result: &PartResult) -> Result<(), StoreError> {
        let (pk, sk) = keys::part(campaign, wave, result.part);
        self.put(Table::Campaign, to_item(&pk, &sk, result)?).await
    }

    /// The parts noted so far.
    ///
    /// # Errors
    /// Where the table or an item cannot be read.
    pub async fn parts(&self, campaign: &str, wave: &str) -> Result<Vec<PartResult>, StoreError> {
        let items = self.query(Table::Campaign, &format!("C#{campaign}"), &format!("PART#{wave}#")).await?;
        items.into_iter().map(from_item).collect()
    }
}

impl Transaction<'_> {
    /// Checks that a wave is released, on the gate of the person's shard.
    #[must_use]
    pub fn check_released(self, campaign: &str, wave: &str, shard: u64) -> Self {
        let released = AttributeValue::S(WaveState::Released.name().to_owned());
        self.check(Table::Campaign, keys::gate(campaign, wave, shard), "state", released)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn ids_of_drafts_sort_by_the_instant_at_which_they_were_given() {
        let instant: Timestamp = "2025-10-06T09:00:00.250Z".parse().unwrap();
        let at = |instant: Timestamp| {
            let (seconds, nanoseconds) = (instant.as_second() as u64, instant.subsec_nanosecond() as u32);
            Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds)).to_string()
        };
        let first = keys::first_id_at(instant);
        assert!(at(instant - SignedDuration::from_millis(1)) < first);
        assert!(at(instant) >= first && at(instant + Draft::KEPT) > first);
    }
}
