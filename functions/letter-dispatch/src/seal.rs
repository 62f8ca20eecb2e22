//! Sealing one batch: every step may be repeated after a kill at any point.

use futures::{StreamExt, TryStreamExt, stream};
use ims_contact::letter::{Letter, typeset};
use ims_contact::manifest::{PrintManifest, digest};
use ims_decision::claim_letter;
use ims_domain::invitation::{Message, MessageState};
use ims_domain::letter::LetterKind;
use ims_domain::{BatchId, MessageId, Person};
use ims_messaging::{Bucket, LetterJob};
use ims_store::AuditEntry;
use jiff::Timestamp;

use crate::compose::{Wording, wording};
use crate::settle::{Faults, close, create, file_key, sealed, settle};
use crate::step::{Action, batch_after, next};
use crate::stop::look_again;
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
            return look_again(dispatcher, &manifest).await;
        }
        batch = batch_after(Some(batch), &job.campaign, &job.messages);
    }
    let (letters, faults) = hold(dispatcher, job, batch).await?;
    let created = dispatcher.service.clock.now().await?;
    let manifest = if !letters.is_empty() {
        print(dispatcher, job, batch, created, &letters).await?
    } else if holds_any(dispatcher, job, batch).await? {
        // They can go back only once it is certain that no other worker prints them in this batch.
        close(dispatcher, dispatcher.heading(&job.campaign, job.step, job.kind, batch, created)).await?
    } else {
        return Ok(());
    };
    settle(dispatcher, &manifest, &job.messages, &faults).await?;
    look_again(dispatcher, &manifest).await
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
    let find = |wished| wording(&dispatcher.templates, plan.programme, job.step, wished, dispatcher.unreviewed());
    let (kind, template) = find(job.kind).ok_or_else(|| DispatchError::NoTemplate {
        programme: plan.programme.code().to_owned(),
        step: job.step.name(),
    })?;
    let wording = Wording {
        template,
        kind,
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
        // What they wish may have changed since the batch was cut. Not listed in it, the letter is queued again.
        if find(LetterKind::wished(person)).is_none_or(|(now, _)| now != kind) {
            continue;
        }
        match wording.compose(message, person) {
            Ok(letter) => letters.push((message.id, letter)),
            Err(error) => {
                faults.insert(message.id, error.to_string());
            }
        }
    }
    Ok((letters, faults))
}

/// Writes the PDF or the text, then the manifest, at which the letters leave.
async fn print(
    dispatcher: &Dispatcher,
    job: &LetterJob,
    batch: BatchId,
    created: Timestamp,
    letters: &[(MessageId, Letter)],
) -> Result<PrintManifest, DispatchError> {
    let (ids, letters): (Vec<MessageId>, Vec<Letter>) = letters.iter().cloned().unzip();
    let heading = dispatcher.heading(&job.campaign, job.step, job.kind, batch, created);
    let objects = &dispatcher.service.objects;
    let key = |bytes: &[u8], extension| file_key(&job.campaign, batch, &digest(bytes), extension);
    let manifest = if job.kind.format.is_made_from_text() {
        let text = text_lines(&letters)?;
        let key = key(&text, "jsonl");
        let manifest = PrintManifest::seal_text(heading, &ids, &text, &key);
        objects.put(Bucket::Print, &key, text, "application/x-ndjson").await?;
        manifest
    } else {
        let typeset = typeset(&letters)?;
        let key = key(&typeset.pdf, "pdf");
        let manifest = PrintManifest::seal(heading, &ids, &typeset, &key)?;
        objects.put(Bucket::Print, &key, typeset.pdf, "application/pdf").await?;
        manifest
    };
    create(dispatcher, manifest).await
}

/// What Braille and recordings are made of: a line of JSON a letter, in the batch's order.
fn text_lines(letters: &[Letter]) -> Result<Vec<u8>, DispatchError> {
    let mut lines = Vec::new();
    for (letter, sequence) in letters.iter().zip(1u32..) {
        let line = serde_json::json!({
            "sequence": sequence,
            "reference": letter.reference,
            "address_lines": letter.address_lines,
            "date": letter.date,
            "heading": letter.heading,
            "paragraphs": letter.paragraphs,
        });
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Whether an earlier attempt left letters held for the batch.
async fn holds_any(dispatcher: &Dispatcher, job: &LetterJob, batch: BatchId) -> Result<bool, DispatchError> {
    let held = dispatcher.service.store.messages(job.messages.iter().copied()).await?;
    Ok(held.iter().any(|message| {
        message.state == MessageState::Sending && next(message.state, message.batch, batch, None) == Action::Claim
    }))
}
