//! Sealing one batch: every step may be repeated after a kill at any point.

use futures::{StreamExt, TryStreamExt, stream};
use ims_contact::letter::{Letter, typeset};
use ims_contact::manifest::{PrintManifest, digest};
use ims_decision::claim_letter;
use ims_domain::contact::Channel;
use ims_domain::invitation::{Message, MessageState};
use ims_domain::{BatchId, MessageId, Person};
use ims_messaging::{Bucket, LetterJob};
use ims_store::AuditEntry;
use jiff::Timestamp;

use crate::compose::Wording;
use crate::settle::{Faults, close, create, pdf_key, sealed, settle};
use crate::step::{Action, batch_after, next};
use crate::{ACTOR, AT_ONCE, DispatchError, Dispatcher};

/// Seals the batch of a job, or follows the manifest of the worker that did.
pub(crate) async fn seal(dispatcher: &Dispatcher, job: &LetterJob) -> Result<(), DispatchError> {
    if job.messages.is_empty() {
        return Ok(());
    }
    let mut batch = batch_after(None, &job.campaign, &job.messages);
    while let Some(manifest) = sealed(dispatcher, &job.campaign, batch).await? {
        settle(dispatcher, &manifest, &job.messages, &Faults::new()).await?;
        if manifest.count > 0 {
            return Ok(());
        }
        batch = batch_after(Some(batch), &job.campaign, &job.messages);
    }
    let (letters, faults) = hold(dispatcher, job, batch).await?;
    let created = dispatcher.service.clock.now().await?;
    let manifest = if !letters.is_empty() {
        print(dispatcher, job, batch, created, &letters).await?
    } else if holds_any(dispatcher, job, batch).await? {
        // They can go back only once it is certain that no other worker prints them in this batch.
        close(dispatcher, &job.campaign, job.step, batch, created).await?
    } else {
        return Ok(());
    };
    settle(dispatcher, &manifest, &job.messages, &faults).await
}

/// Claims the letters for the batch and composes them, in the job's order.
async fn hold(
    dispatcher: &Dispatcher,
    job: &LetterJob,
    batch: BatchId,
) -> Result<(Vec<(MessageId, Letter)>, Faults), DispatchError> {
    let service = &dispatcher.service;
    let today = service.clock.today().await?;
    let definition = service.store.latest_definition(&job.campaign).await?;
    let plan = definition.ok_or_else(|| DispatchError::NoCampaign { campaign: job.campaign.clone() })?.plan;
    // Looked for before anything is claimed: without a wording nothing is held.
    let template = dispatcher.templates.find(plan.programme, job.step, Channel::Letter).ok_or_else(|| {
        DispatchError::NoTemplate { programme: plan.programme.code().to_owned(), step: job.step.name() }
    })?;
    let wording = Wording {
        template,
        programme: plan.programme,
        doses: plan.doses,
        booking_link: &dispatcher.booking_link,
        booking_phone: &dispatcher.booking_phone,
        today,
    };
    let run = AuditEntry::new(Timestamp::now(), ACTOR, "letter", format!("batch {batch} of {}", job.campaign));
    service.store.audit(&run.counting(job.messages.len())).await?;
    let claims = job
        .messages
        .iter()
        .map(|&id| claim_letter(&service.store, &dispatcher.rules, id, batch, today, Timestamp::now(), ACTOR));
    let held: Vec<Option<(Message, Person)>> = stream::iter(claims).buffered(AT_ONCE).try_collect().await?;
    let (mut letters, mut faults) = (Vec::with_capacity(held.len()), Faults::new());
    for (message, person) in held.iter().flatten() {
        match wording.compose(message, person) {
            Ok(letter) => letters.push((message.id, letter)),
            Err(error) => {
                faults.insert(message.id, error.to_string());
            }
        }
    }
    Ok((letters, faults))
}

/// Writes the PDF, then the manifest, at which the letters leave.
async fn print(
    dispatcher: &Dispatcher,
    job: &LetterJob,
    batch: BatchId,
    created: Timestamp,
    letters: &[(MessageId, Letter)],
) -> Result<PrintManifest, DispatchError> {
    let (ids, letters): (Vec<MessageId>, Vec<Letter>) = letters.iter().cloned().unzip();
    let typeset = typeset(&letters)?;
    let pdf = pdf_key(&job.campaign, batch, &digest(&typeset.pdf));
    let manifest = PrintManifest::seal(batch, created, &job.campaign, job.step, &ids, &typeset, &pdf)?;
    dispatcher.service.objects.put(Bucket::Print, &pdf, typeset.pdf, "application/pdf").await?;
    create(dispatcher, manifest).await
}

/// Whether an earlier attempt left letters held for the batch.
async fn holds_any(dispatcher: &Dispatcher, job: &LetterJob, batch: BatchId) -> Result<bool, DispatchError> {
    let held = dispatcher.service.store.messages(job.messages.iter().copied()).await?;
    Ok(held.iter().any(|message| {
        message.state == MessageState::Sending && next(message.state, message.batch, batch, None) == Action::Claim
    }))
}
