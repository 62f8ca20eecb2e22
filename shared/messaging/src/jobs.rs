//! What the messages say. A body carries its own schema version in the envelope.

use ims_domain::campaign::Step;
use ims_domain::letter::LetterKind;
use ims_domain::{MessageId, PersonId};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// For `record-ingest`: one chunk of a feed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkJob {
    /// The file's key in the inbound bucket.
    pub file: String,
    /// Chunk number, from 0.
    pub chunk: u32,
    /// Object in the work bucket.
    pub object: String,
}

/// For `cohort-selection`: one snapshot part of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartJob {
    /// Campaign.
    pub campaign: String,
    /// Wave.
    pub wave: String,
    /// Part number, from 0.
    pub part: u32,
}

/// For `cohort-selection`: one snapshot part of a draft's preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewJob {
    /// Campaign.
    pub campaign: String,
    /// Draft.
    pub draft: String,
    /// Part number, from 0.
    pub part: u32,
}

/// For `cohort-selection`: one snapshot part, counted for a wave's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanJob {
    /// Campaign.
    pub campaign: String,
    /// Draft of the plan.
    pub plan: String,
    /// Part number, from 0.
    pub part: u32,
}

impl PreviewJob {
    /// Object in the work bucket that holds what was found.
    #[must_use]
    pub fn object(&self) -> String {
        format!("{}part-{:05}.json", Self::objects(&self.campaign, &self.draft), self.part)
    }

    /// What the objects of a draft's preview begin with.
    #[must_use]
    pub fn objects(campaign: &str, draft: &str) -> String {
        format!("previews/{campaign}/{draft}/")
    }
}

/// For `cohort-selection`: the kept selection of one snapshot part, to be brought up to date ahead of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepJob {
    /// Campaign.
    pub campaign: String,
    /// Version of the campaign.
    pub definition: u32,
    /// Snapshot manifest.
    pub manifest: String,
    /// Business day as of which people are selected.
    pub day: Date,
    /// Part number, from 0.
    pub part: u32,
}

/// For `cohort-selection`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SelectionJob {
    /// One part of a wave: it names the wave.
    Wave(PartJob),
    /// One part of a preview: it names the draft.
    Preview(PreviewJob),
    /// One part of a plan: it names the plan.
    Plan(PlanJob),
    /// One part of what is kept for the waves to come: it names the version and the day.
    Keep(KeepJob),
}

/// For `invitation-issue`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum IssueJob {
    /// A claim of a released wave.
    Claim(ClaimJob),
    /// Invitations whose next step is due.
    Due {
        /// Campaign.
        campaign: String,
        /// Business day for which they are due.
        day: Date,
        /// People with the dose they are invited to.
        people: Vec<(PersonId, u8)>,
    },
}

/// People to invite: an object in the work bucket that lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimJob {
    /// Campaign.
    pub campaign: String,
    /// Wave.
    pub wave: String,
    /// Object in the work bucket: a JSON list of [person id, dose, cohort].
    pub object: String,
}

/// For `sms-dispatch`: texts to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsJob {
    /// Messages.
    pub messages: Vec<MessageId>,
}

/// For `letter-dispatch`: letters to seal in one batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterJob {
    /// Campaign.
    pub campaign: String,
    /// Step of all its letters.
    pub step: Step,
    /// Format, language and postage of all its letters.
    #[serde(default)]
    pub kind: LetterKind,
    /// Letters, in order.
    pub messages: Vec<MessageId>,
}
