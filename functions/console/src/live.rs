//! The running system as a source.

use std::collections::BTreeMap;

use aws_sdk_lambda::primitives::Blob;
use futures::future::{BoxFuture, try_join_all};
use ims_domain::wave::Wave;
use ims_domain::{NhsNumber, PersonId};
use ims_messaging::{Bucket, PreviewJob, Queue};
use ims_runtime::{Service, settings};
use ims_snapshot::{Comparison, Manifest};
use ims_store::{
    Actor, AuditEntry, AuditSpan, Draft, FeedFile, MatchingCount, MatchingOrder, MatchingRefusal, NamedRecord, Ruled,
    StoreError,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::source::{
    CampaignRecord, FileRuling, Matched, MatchedFile, MatchingList, PersonFile, QueueDepth, SnapshotState, Source,
    SourceError, WaveOrder,
};

/// Variables that name functions.
const FEED_INTAKE: &str = "IMS_FUNCTION_FEED_INTAKE";
const WAVE_PLANNING: &str = "IMS_FUNCTION_WAVE_PLANNING";

/// Tables, buckets and queues of this stack.
#[derive(Debug)]
pub struct Live {
    service: Service,
    /// URLs of dead-letter queues by the name of the queue that they are for.
    dead: BTreeMap<&'static str, String>,
    undelivered: Option<String>,
    lambda: aws_sdk_lambda::Client,
    /// Name of the function that takes feed files in.
    feed_intake: Option<String>,
    /// Name of the function that plans and governs waves.
    wave_planning: Option<String>,
    /// Name of the function that counts candidates and makes plans.
    cohort_selection: Option<String>,
}

impl Live {
    /// With dead-letter queues from `IMS_DLQ_<NAME>` and `IMS_QUEUE_UNDELIVERED`; one that is not set is shown as such.
    /// `IMS_FUNCTION_FEED_INTAKE` names the function that decisions about feed files go to, `IMS_FUNCTION_WAVE_PLANNING`
    /// that for waves, `IMS_FUNCTION_COHORT_SELECTION` that for their plans.
    pub async fn from_env(service: Service) -> Self {
        let dead = Queue::ALL
            .into_iter()
            .filter_map(|queue| Some((queue.name(), settings::optional(&format!("IMS_DLQ_{}", queue.name()))?)))
            .collect();
        let lambda = aws_sdk_lambda::Client::new(&service.settings.aws().await);
        let undelivered = settings::optional("IMS_QUEUE_UNDELIVERED");
        let cohort_selection = settings::optional("IMS_FUNCTION_COHORT_SELECTION");
        let (feed_intake, wave_planning) = (settings::optional(FEED_INTAKE), settings::optional(WAVE_PLANNING));
        Self { service, dead, undelivered, lambda, feed_intake, wave_planning, cohort_selection }
    }

    /// Invokes a function; what it says where it refuses.
    async fn invoke(
        &self,
        function: &'static str,
        variable: &str,
        name: Option<&String>,
        request: &Value,
    ) -> Result<Result<(), String>, SourceError> {
        let failed = || format!("the function {function}");
        let name = name.ok_or_else(|| format!("{variable} is not set")).map_err(SourceError::of(&failed()))?;
        let payload = Blob::new(request.to_string().into_bytes());
        let answer = self.lambda.invoke().function_name(name).payload(payload).send().await;
        let answer = answer.map_err(SourceError::of(&failed()))?;
        if answer.function_error().is_none() {
            return Ok(Ok(()));
        }
        let told = answer.payload().map(|told| told.as_ref().to_vec()).unwrap_or_default();
        let told: Value = serde_json::from_slice(&told).unwrap_or_default();
        Ok(Err(told["errorMessage"].as_str().unwrap_or("it failed").to_owned()))
    }

    /// Asks `cohort-selection`; what it says where it refuses.
    async fn ask_selection(&self, request: &Value) -> Result<Result<Value, String>, SourceError> {
        let failed = "the function cohort-selection";
        let name = self.cohort_selection.as_ref().ok_or("IMS_FUNCTION_COHORT_SELECTION is not set");
        let name = name.map_err(SourceError::of(failed))?;
        let payload = Blob::new(request.to_string().into_bytes());
        let answer = self.lambda.invoke().function_name(name).payload(payload).send().await;
        let answer = answer.map_err(SourceError::of(failed))?;
        let told = answer.payload().map(AsRef::as_ref).unwrap_or_default();
        let told: Value = serde_json::from_slice(told).map_err(SourceError::of(failed))?;
        if answer.function_error().is_none() {
            return Ok(Ok(told));
        }
        Ok(Err(told["errorMessage"].as_str().unwrap_or("it failed").to_owned()))
    }

    async fn dead(&self, url: Option<&String>) -> Result<Option<u64>, ims_messaging::MessagingError> {
        match url {
            Some(url) => Ok(Some(self.service.queues.depth_at(url).await?.total())),
            None => Ok(None),
        }
    }

    async fn read_queues(&self) -> Result<Vec<QueueDepth>, ims_messaging::MessagingError> {
        let each = Queue::ALL.into_iter().map(|queue| async move {
            let (depth, dead) =
                futures::future::try_join(self.service.queues.depth(queue), self.dead(self.dead.get(queue.name())))
                    .await?;
            Ok(QueueDepth { name: queue.name(), depth: Some(depth), dead })
        });
        let (mut queues, dead) =
            futures::future::try_join(try_join_all(each), self.dead(self.undelivered.as_ref())).await?;
        queues.push(QueueDepth { name: "UNDELIVERED", depth: None, dead });
        Ok(queues)
    }

    async fn read_person(&self, id: PersonId) -> Result<Option<PersonFile>, StoreError> {
        let store = &self.service.store;
        let Some(mut record) = store.record(id, true).await? else { return Ok(None) };
        // What was recorded under numbers that this person's superseded lies under those people.
        let all: Vec<PersonId> = record.person.numbers().into_keys().collect();
        let (mut past, mut invitations) = (Vec::new(), Vec::new());
        for one in all {
            if one != id
                && let Some(member) = store.record(one, true).await?
            {
                record.immunisations.extend(member.immunisations);
                record.bookings.extend(member.bookings);
            }
            past.extend(store.past_immunisations(one).await?);
            invitations.extend(store.invitations(one).await?);
        }
        let (mut sent, mut calls) = (Vec::new(), Vec::new());
        for invitation in &invitations {
            sent.extend(&invitation.messages);
            calls.extend(store.call(&invitation.campaign, invitation.person, invitation.dose).await?);
        }
        let messages = store.messages(sent).await?;
        Ok(Some(PersonFile { record, past, invitations, messages, calls }))
    }

    async fn read_matched(&self, record: &NamedRecord) -> Result<Option<MatchedFile>, StoreError> {
        let store = &self.service.store;
        let holder = match record {
            NamedRecord::Immunisation(id) => store.person_by_immunisation(*id).await?,
            NamedRecord::Booking(person, _) => Some(*person),
        };
        let Some(holder) = holder else { return Ok(None) };
        let Some(found) = store.record(holder, true).await? else { return Ok(None) };
        let held = match record {
            NamedRecord::Immunisation(id) => {
                found.immunisations.get(id).map(|held| Matched::Immunisation(Box::new(held.clone())))
            }
            NamedRecord::Booking(_, reference) => {
                found.bookings.get(reference).map(|held| Matched::Booking(Box::new(held.clone())))
            }
        };
        Ok(held.map(|held| MatchedFile { held, person: found.person }))
    }

    async fn read_campaigns(&self) -> Result<Vec<CampaignRecord>, ims_store::StoreError> {
        let store = &self.service.store;
        let each = store.campaigns().await?.into_iter().map(|name| async move {
            let (definition, waves) =
                futures::future::try_join(store.latest_definition(&name), store.waves(&name)).await?;
            Ok::<_, ims_store::StoreError>(definition.map(|definition| CampaignRecord { definition, waves }))
        });
        Ok(try_join_all(each).await?.into_iter().flatten().collect())
    }
}

impl Source for Live {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn business_now(&self) -> BoxFuture<'_, Result<Timestamp, SourceError>> {
        Box::pin(async { self.service.clock.now().await.map_err(SourceError::of("the business clock")) })
    }

    fn campaigns(&self) -> BoxFuture<'_, Result<Vec<CampaignRecord>, SourceError>> {
        Box::pin(async { self.read_campaigns().await.map_err(SourceError::of("the campaigns")) })
    }

    fn plan_waves(&self, request: Value) -> BoxFuture<'_, Result<Result<Value, String>, SourceError>> {
        Box::pin(async move { self.ask_selection(&request).await })
    }

    fn wave<'a>(&'a self, campaign: &'a str, wave: &'a str) -> BoxFuture<'a, Result<Option<Wave>, SourceError>> {
        Box::pin(async move { self.service.store.wave(campaign, wave).await.map_err(SourceError::of("the wave")) })
    }

    fn govern(&self, order: WaveOrder) -> BoxFuture<'_, Result<Result<(), String>, SourceError>> {
        Box::pin(async move {
            let WaveOrder { campaign, wave, action, version, reason, checked, token } = order;
            let request = json!({
                "action": action.name(), "campaign": campaign, "wave": wave, "version": version, "reason": reason,
                "checked": checked, "token": token,
            });
            self.invoke("wave-planning", WAVE_PLANNING, self.wave_planning.as_ref(), &request).await
        })
    }

    fn watched<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>> {
        Box::pin(async move {
            let key = format!("watch/{file}.json");
            let read = self.service.objects.get(Bucket::Exports, &key).await;
            read.map_err(SourceError::of("the watch over waves"))
        })
    }

    fn picture<'a>(&'a self, campaign: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>> {
        Box::pin(async move {
            let key = format!("picture/{campaign}.json");
            let read = self.service.objects.get(Bucket::Exports, &key).await;
            read.map_err(SourceError::of("the picture file"))
        })
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueDepth>, SourceError>> {
        Box::pin(async { self.read_queues().await.map_err(SourceError::of("the queues")) })
    }

    fn checked(&self) -> BoxFuture<'_, Result<Option<(String, Timestamp)>, SourceError>> {
        Box::pin(async {
            let pointer = self.service.store.manifest().await.map_err(SourceError::of("the snapshot"))?;
            Ok(pointer.checked.map(|checked| (pointer.manifest, checked)))
        })
    }

    fn snapshot(&self) -> BoxFuture<'_, Result<Option<SnapshotState>, SourceError>> {
        Box::pin(async {
            let pointer = self.service.store.manifest().await.map_err(SourceError::of("the snapshot"))?;
            if pointer.version == 0 {
                return Ok(None);
            }
            let key = Manifest::key(&pointer.manifest);
            let manifest: Manifest = self
                .service
                .objects
                .read_json(Bucket::Snapshot, &key)
                .await
                .map_err(SourceError::of("the snapshot"))?;
            Ok(Some(SnapshotState {
                version: pointer.version,
                manifest: pointer.manifest,
                created: manifest.created,
                checked: pointer.checked,
                business_date: manifest.business_date,
                parts: manifest.parts,
            }))
        })
    }

    fn drafts<'a>(&'a self, campaign: &'a str) -> BoxFuture<'a, Result<Vec<Draft>, SourceError>> {
        Box::pin(async move { self.service.store.drafts(campaign).await.map_err(SourceError::of("the drafts")) })
    }

    fn draft<'a>(&'a self, campaign: &'a str, draft: &'a str) -> BoxFuture<'a, Result<Option<Draft>, SourceError>> {
        Box::pin(async move { self.service.store.draft(campaign, draft).await.map_err(SourceError::of("the draft")) })
    }

    fn write_draft(&self, draft: Draft) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.service.store.create_draft(&draft).await.map_err(SourceError::of("the draft")) })
    }

    fn remove_draft(&self, draft: Draft) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let Draft { campaign, draft, parts, .. } = draft;
            for part in 0..parts {
                let key = PreviewJob { campaign: campaign.clone(), draft: draft.clone(), part }.object();
                let removed = self.service.objects.delete(Bucket::Work, &key).await;
                removed.map_err(SourceError::of("the preview"))?;
            }
            self.service.store.remove_draft(&campaign, &draft).await.map_err(SourceError::of("the draft"))
        })
    }

    fn queue_preview(&self, draft: Draft, parts: Vec<u32>) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            let job = |part| PreviewJob { campaign: draft.campaign.clone(), draft: draft.draft.clone(), part };
            let jobs: Vec<PreviewJob> = parts.into_iter().map(job).collect();
            let sent = self.service.queues.send(Queue::CohortSelection, &jobs).await;
            sent.map_err(SourceError::of("the queue of previews"))
        })
    }

    fn preview(&self, draft: Draft) -> BoxFuture<'_, Result<Vec<Option<Comparison>>, SourceError>> {
        Box::pin(async move {
            let each = (0..draft.parts).map(|part| {
                let key = PreviewJob { campaign: draft.campaign.clone(), draft: draft.draft.clone(), part }.object();
                async move {
                    let found = self.service.objects.get(Bucket::Work, &key).await;
                    let found = found.map_err(SourceError::of("the preview"))?;
                    let part = found.map(|bytes| serde_json::from_slice(&bytes)).transpose();
                    part.map_err(SourceError::of("the preview"))
                }
            });
            try_join_all(each).await
        })
    }

    fn files(&self, days: Vec<Date>) -> BoxFuture<'_, Result<Vec<FeedFile>, SourceError>> {
        Box::pin(async {
            let each = days.into_iter().map(|day| self.service.store.files_on(day));
            let read = try_join_all(each).await.map_err(SourceError::of("the feed files"))?;
            let mut files: Vec<FeedFile> = read.into_iter().flatten().collect();
            files.sort_by_key(|file| std::cmp::Reverse(file.received));
            Ok(files)
        })
    }

    fn file<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<FeedFile>, SourceError>> {
        Box::pin(async move { self.service.store.file(name).await.map_err(SourceError::of("the feed file")) })
    }

    fn decide_file(&self, ruling: FileRuling) -> BoxFuture<'_, Result<Result<(), String>, SourceError>> {
        Box::pin(async move {
            let action = if ruling.approved { "approve" } else { "refuse" };
            let FileRuling { file, by, reason, .. } = ruling;
            let request = json!({"action": action, "file": file, "by": by, "reason": reason});
            self.invoke("feed-intake", FEED_INTAKE, self.feed_intake.as_ref(), &request).await
        })
    }

    fn acknowledgement<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>> {
        Box::pin(async move {
            self.service.objects.get(Bucket::Acks, key).await.map_err(SourceError::of("the acknowledgement"))
        })
    }

    fn person_by_nhs_number(&self, number: NhsNumber) -> BoxFuture<'_, Result<Option<PersonId>, SourceError>> {
        Box::pin(
            async move { self.service.store.person_by_nhs_number(number).await.map_err(SourceError::of("the people")) },
        )
    }

    fn person(&self, id: PersonId) -> BoxFuture<'_, Result<Option<PersonFile>, SourceError>> {
        Box::pin(async move { self.read_person(id).await.map_err(SourceError::of("the person's record")) })
    }

    fn matching(&self, most: usize, days: Vec<Date>) -> BoxFuture<'_, Result<MatchingList, SourceError>> {
        Box::pin(async move {
            let store = &self.service.store;
            let each = days.into_iter().map(|day| store.matching_settled(day));
            let read = futures::future::try_join(store.matching_queue(most), try_join_all(each)).await;
            let (waiting, settled) = read.map_err(SourceError::of("the matching queue"))?;
            let mut settled: Vec<_> = settled.into_iter().flatten().collect();
            settled.sort_by_key(|entry| std::cmp::Reverse(entry.settled.as_ref().map(|settled| settled.deed.at)));
            settled.truncate(most);
            Ok(MatchingList { waiting, settled })
        })
    }

    fn matching_count(&self, before: Timestamp) -> BoxFuture<'_, Result<MatchingCount, SourceError>> {
        Box::pin(async move {
            self.service.store.matching_count(before).await.map_err(SourceError::of("the matching queue"))
        })
    }

    fn matched(&self, record: NamedRecord) -> BoxFuture<'_, Result<Option<MatchedFile>, SourceError>> {
        Box::pin(async move { self.read_matched(&record).await.map_err(SourceError::of("the record")) })
    }

    fn settle(
        &self,
        record: NamedRecord,
        order: MatchingOrder,
        reason: String,
        staff: Actor,
    ) -> BoxFuture<'_, Result<Result<Ruled, MatchingRefusal>, SourceError>> {
        Box::pin(async move {
            let ruled = self.service.store.settle_matching(&record, order, &reason, &staff).await;
            ruled.map_err(SourceError::of("the record"))
        })
    }

    fn audit(&self, entry: AuditEntry) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move { self.service.store.audit(&entry).await.map_err(SourceError::of("the audit trail")) })
    }

    fn trail_of_person(&self, id: PersonId, span: AuditSpan) -> BoxFuture<'_, Result<Vec<AuditEntry>, SourceError>> {
        Box::pin(async move {
            self.service.store.audit_of_person(id, span).await.map_err(SourceError::of("the audit trail"))
        })
    }

    fn trail_since(&self, id: PersonId, since: Timestamp) -> BoxFuture<'_, Result<Vec<AuditEntry>, SourceError>> {
        Box::pin(async move {
            self.service.store.audit_of_person_since(id, since).await.map_err(SourceError::of("the audit trail"))
        })
    }

    fn trail_of_actor<'a>(
        &'a self,
        actor: &'a str,
        span: AuditSpan,
    ) -> BoxFuture<'a, Result<Vec<AuditEntry>, SourceError>> {
        Box::pin(async move {
            self.service.store.audit_of_actor(actor, span).await.map_err(SourceError::of("the audit trail"))
        })
    }
}
