//! System: what needs attention; queues, feed files, snapshot, waves in flight, reconciliation.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use futures::future::{join, join_all, join4};
use ims_domain::campaign::WaveState;
use ims_domain::ids::stable_hash;
use ims_store::{FeedFile, FeedFileState, MatchingCount};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::layout::Frame;
use crate::picture::{Picture, reconciliation};
use crate::rooms::Room;
use crate::session::Staff;
use crate::source::{CampaignRecord, QueueDepth, SnapshotState, SourceError};
use crate::waves::state_tag;
use crate::{Console, Shared, feeds, matching, words};

/// Days of feed files that are shown.
const DAYS: i64 = 7;
/// Feed files that are shown at most; the latest.
const MOST_FILES: usize = 200;
/// A feed file that is not answered after so many seconds needs attention.
const SLOW_FILE: i64 = 900;

/// What a queue's messages are, and what to do about dead letters.
fn about(queue: &str) -> (&'static str, &'static str) {
    match queue {
        "RECORD_INGEST" => (
            "Chunks of feed files to be applied to people's records.",
            "Read the log of record-ingest for the cause, mend it, and move the messages back to the queue: a chunk that \
             comes again changes nothing twice. Until then the file's last acknowledgement is missing.",
        ),
        "COHORT_SELECTION" => (
            "Parts of the snapshot to select a wave's people from.",
            "Read the log of cohort-selection, mend the cause, and move the messages back: the wave stays in selection \
             until every part is in.",
        ),
        "INVITATION_ISSUE" => (
            "Packets of people to invite, and steps that have come due.",
            "Read the log of invitation-issue, mend the cause, and move the messages back: who was invited already is \
             not invited again.",
        ),
        "LETTER_DISPATCH" => (
            "Letters to be set and sealed into print batches.",
            "Read the log of letter-dispatch, mend the cause, and move the messages back: a batch is sealed once.",
        ),
        "SMS_DISPATCH" => (
            "Texts to be sent.",
            "Read the log of sms-dispatch, mend the cause, and move the messages back: a text that left is not sent again.",
        ),
        _ => (
            "Notifications and stream records that nothing would take.",
            "Read the logs of feed-intake and snapshot-export for the cause. Upload a feed file again under its name if it \
             never arrived; changes that are missing from the snapshot need an engineer who knows it.",
        ),
    }
}

/// Answers `/system`.
pub(crate) async fn page(State(console): State<Shared>, Extension(staff): Extension<Staff>) -> Response {
    let frame = Frame { console: &console, staff: Some(&staff), room: Some(Room::System), title: "System" };
    let body = body(&console).await;
    let version = format!("{:016x}", stable_hash(&body.0));
    frame.answer(Ok((body, Some(version))))
}

/// One campaign's picture as far as it can be had.
struct Reconciled<'a> {
    campaign: &'a str,
    picture: Result<Option<std::sync::Arc<Picture>>, String>,
}

async fn body(console: &Console) -> Markup {
    let source = console.source();
    let now = source.now();
    let today = now.to_zoned(TimeZone::UTC).date();
    let days = (0..DAYS).filter_map(|ago| today.checked_sub(jiff::Span::new().days(ago)).ok()).collect();
    let alarm = now.checked_sub(matching::ALARM).unwrap_or(Timestamp::MIN);
    let ((queues, snapshot, files, campaigns), (business, unmatched)) = join(
        join4(source.queues(), source.snapshot(), source.files(days), console.campaigns()),
        join(source.business_now(), source.matching_count(alarm)),
    )
    .await;
    let records: &[CampaignRecord] = campaigns.as_ref().map_or(&[], |campaigns| campaigns.as_slice());
    let reconciled = join_all(records.iter().map(async |record| {
        let campaign = record.definition.campaign.as_str();
        let picture = console.picture(campaign).await.map_err(|error| error.to_string());
        Reconciled { campaign, picture }
    }))
    .await;
    let mut needs = Vec::new();
    unreadable(&mut needs, queues.as_ref().err());
    unreadable(&mut needs, snapshot.as_ref().err());
    unreadable(&mut needs, files.as_ref().err());
    unreadable(&mut needs, campaigns.as_ref().err());
    unreadable(&mut needs, business.as_ref().err());
    unreadable(&mut needs, unmatched.as_ref().err());
    need_matching(&mut needs, unmatched.as_ref().ok().copied().unwrap_or_default());
    need_queues(&mut needs, queues.as_deref().unwrap_or_default());
    need_snapshot(&mut needs, snapshot.as_ref().ok().and_then(Option::as_ref), snapshot.is_ok(), now);
    need_files(&mut needs, files.as_deref().unwrap_or_default(), now);
    need_waves(&mut needs, records);
    need_reconciliation(&mut needs, &reconciled);
    html! {
        h1 { "System" }
        (attention(&needs))
        @if let Ok(business) = &business {
            p { "Business day " (words::day(words::local(*business).date())) "." }
        }
        @if let Ok(unmatched) = &unmatched {
            p {
                (words::count(unmatched.open, "record waits", "records wait")) " to be matched, "
                (words::number(unmatched.old)) " of them for more than " (matching::ALARM.as_hours()) " hours."
            }
        }
        (queue_table(&queues))
        (snapshot_part(&snapshot, now))
        (waves_in_flight(records))
        (reconciliation_table(&reconciled))
        (file_table(console, &files))
    }
}

/// Something that needs attention, and what to do.
type Need = (String, String);

fn unreadable(needs: &mut Vec<Need>, error: Option<&SourceError>) {
    if let Some(error) = error {
        tracing::error!(%error, cause = %error.source, "a source could not be read");
        let what = words::capital(&error.to_string());
        needs.push((
            what,
            "Reload the page in a minute; if it stays so, the log of the console names the cause.".to_owned(),
        ));
    }
}

fn need_queues(needs: &mut Vec<Need>, queues: &[QueueDepth]) {
    for queue in queues {
        let dead = queue.dead.unwrap_or(0);
        if dead > 0 {
            let holds = words::count(dead, "dead letter", "dead letters");
            needs.push((format!("Queue {} has {holds}", queue_name(queue.name)), about(queue.name).1.to_owned()));
        }
    }
}

fn need_snapshot(needs: &mut Vec<Need>, snapshot: Option<&SnapshotState>, was_read: bool, now: Timestamp) {
    match snapshot {
        None if was_read => needs.push((
            "There is no snapshot yet".to_owned(),
            "Merge one: the request merge of snapshot-export. Waves and reports need it.".to_owned(),
        )),
        Some(snapshot) if words::age_seconds(snapshot.as_of(), now) > words::STALE => needs.push((
            format!("The snapshot was last brought up to date {}", words::age(snapshot.as_of(), now)),
            "Merge a new one: the request merge of snapshot-export. If its schedule is on, read its log for why it did not."
                .to_owned(),
        )),
        _ => {}
    }
}

fn need_files(needs: &mut Vec<Need>, files: &[FeedFile], now: Timestamp) {
    for file in files {
        let name = file_name(file);
        match file.state {
            FeedFileState::Failed => needs.push((
                format!("Feed file {name} was refused: {}", file.error.as_deref().unwrap_or("no reason is noted")),
                "Tell the supplier, who has the same answer in the acknowledgement; a corrected file needs a new name."
                    .to_owned(),
            )),
            FeedFileState::AwaitingApproval => needs.push((
                format!("Feed file {name} waits for approval: {}", file.held.as_ref().map_or("", |held| &held.why)),
                "A records officer approves or refuses it in the room Feeds, once its sender has confirmed it."
                    .to_owned(),
            )),
            FeedFileState::Unauthorised => needs.push((
                format!("Feed file {name} came from a supplier that may not send it"),
                "Find out whether the supplier should have the permission; a permitted file needs a new name."
                    .to_owned(),
            )),
            FeedFileState::Processing | FeedFileState::Preprocessed
                if words::age_seconds(file.received, now) > SLOW_FILE =>
            {
                needs.push((
                    format!("Feed file {name} came {} and is not answered yet", words::age(file.received, now)),
                    "Look at the queue record-ingest and its dead letters.".to_owned(),
                ));
            }
            _ => {}
        }
    }
}

fn need_matching(needs: &mut Vec<Need>, unmatched: MatchingCount) {
    if unmatched.old > 0 {
        let hours = matching::ALARM.as_hours();
        let wait = words::count(unmatched.old, "record has waited", "records have waited");
        needs.push((
            format!("{wait} for more than {hours} hours to be matched"),
            "Ask a records officer to decide in the room Matching. If many came from one supplier, tell it: until then \
             they count for nobody, and people who were vaccinated are invited again."
                .to_owned(),
        ));
    }
}

fn need_waves(needs: &mut Vec<Need>, records: &[CampaignRecord]) {
    for wave in records.iter().flat_map(|record| &record.waves) {
        match wave.state {
            WaveState::Paused => needs.push((
                format!("Wave {} of {} is paused", wave.wave, wave.campaign),
                "Nothing leaves until it is resumed or stopped: ask its planner which.".to_owned(),
            )),
            WaveState::Stopped => needs.push((
                format!("Wave {} of {} is stopped", wave.wave, wave.campaign),
                "Nothing leaves until two planners review and approve it anew, and it is released; or until it is closed."
                    .to_owned(),
            )),
            WaveState::Selected | WaveState::Reviewed => needs.push((
                format!("Wave {} of {} is selected and not approved", wave.wave, wave.campaign),
                "It is released on the schedule once two planners, neither its author, have reviewed and approved it."
                    .to_owned(),
            )),
            _ => {}
        }
    }
}

fn need_reconciliation(needs: &mut Vec<Need>, reconciled: &[Reconciled<'_>]) {
    for one in reconciled {
        match &one.picture {
            Ok(Some(picture)) => {
                let (adds_up, sentence) = reconciliation(&picture.funnel.people);
                if !adds_up {
                    needs.push((
                        format!("{}: {}", one.campaign, sentence.trim_end_matches('.')),
                        "Write a new report; if it stays so, compare the exports contacts and people of that day."
                            .to_owned(),
                    ));
                }
            }
            Ok(None) => {}
            Err(error) => needs.push((
                format!("{}: {error}", one.campaign),
                "Write a new report; if it stays so, read the log of uptake-report.".to_owned(),
            )),
        }
    }
}

fn attention(needs: &[Need]) -> Markup {
    html! {
        @if needs.is_empty() {
            p class="nhsuk-lede-text" { "Nothing needs your attention." }
        } @else {
            section aria-labelledby="attention" {
                h2 id="attention" { (words::count(needs.len() as u64, "thing needs", "things need")) " your attention" }
                ul class="nhsuk-list nhsuk-list--bullet" {
                    @for (what, remedy) in needs { li { strong { (what) "." } " " (remedy) } }
                }
            }
        }
    }
}

fn queue_name(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

fn failed(error: &SourceError) -> Markup {
    html! { p { (words::capital(&error.to_string())) ". Reload the page in a minute." } }
}

fn queue_table(queues: &Result<Vec<QueueDepth>, SourceError>) -> Markup {
    let number = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), words::number);
    html! {
        section aria-labelledby="queues" {
            h2 id="queues" { "Queues" }
            @match queues {
                Err(error) => (failed(error)),
                Ok(queues) => {
                    div class="ims-scroll" tabindex="0" role="region" aria-label="Queues" {
                        table class="nhsuk-table" {
                            caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "Queues" }
                            thead class="nhsuk-table__head" {
                                tr {
                                    th scope="col" { "Queue" }
                                    @for title in ["Waiting", "In flight", "Delayed", "Dead letters"] {
                                        th scope="col" class="ims-number" { (title) }
                                    }
                                    th scope="col" { "What its messages are" }
                                }
                            }
                            tbody class="nhsuk-table__body" {
                                @for queue in queues {
                                    tr class="nhsuk-table__row" {
                                        th scope="row" { (queue_name(queue.name)) }
                                        td class="nhsuk-table__cell ims-number" { (number(queue.depth.map(|depth| depth.waiting))) }
                                        td class="nhsuk-table__cell ims-number" { (number(queue.depth.map(|depth| depth.in_flight))) }
                                        td class="nhsuk-table__cell ims-number" { (number(queue.depth.map(|depth| depth.delayed))) }
                                        td class="nhsuk-table__cell ims-number" {
                                            @match queue.dead {
                                                None => "not configured",
                                                Some(0) => "0",
                                                Some(dead) => strong class="nhsuk-tag nhsuk-tag--red" { (words::number(dead)) },
                                            }
                                        }
                                        td class="nhsuk-table__cell" { (about(queue.name).0) }
                                    }
                                }
                            }
                        }
                    }
                    details class="nhsuk-details" {
                        summary class="nhsuk-details__summary" {
                            span class="nhsuk-details__summary-text" { "What to do about dead letters" }
                        }
                        div class="nhsuk-details__text" {
                            p { "A message becomes a dead letter after it failed five times." }
                            dl class="nhsuk-summary-list" {
                                @for queue in queues {
                                    div class="nhsuk-summary-list__row" {
                                        dt class="nhsuk-summary-list__key" { (queue_name(queue.name)) }
                                        dd class="nhsuk-summary-list__value" { (about(queue.name).1) }
                                    }
                                }
                            }
                        }
                    }
                },
            }
        }
    }
}

fn snapshot_part(snapshot: &Result<Option<SnapshotState>, SourceError>, now: Timestamp) -> Markup {
    html! {
        section aria-labelledby="snapshot" {
            h2 id="snapshot" { "Snapshot" }
            @match snapshot {
                Err(error) => (failed(error)),
                Ok(None) => p { "There is no snapshot yet." },
                Ok(Some(snapshot)) => p {
                    "Version " (words::number(snapshot.version)) " (" (snapshot.manifest) "), made at " (words::time(snapshot.created))
                    @if words::age_seconds(snapshot.created, now) >= 60 { " (" (words::age(snapshot.created, now)) ")" }
                    @if let Some(checked) = snapshot.checked { ", nothing new at " (words::time(checked)) }
                    ", business day " (words::day(snapshot.business_date)) "."
                },
            }
        }
    }
}

fn waves_in_flight(records: &[CampaignRecord]) -> Markup {
    let waves: Vec<_> = records
        .iter()
        .flat_map(|record| &record.waves)
        .filter(|wave| !matches!(wave.state, WaveState::Closed))
        .collect();
    html! {
        section aria-labelledby="in-flight" {
            h2 id="in-flight" { "Waves in flight" }
            @if waves.is_empty() { p { "There is none." } }
            @else {
                ul class="nhsuk-list nhsuk-list--bullet" {
                    @for wave in waves {
                        li {
                            (wave.campaign) ", " (wave.wave) " of " (words::day(wave.selected_on)) " " (state_tag(wave.state)) " "
                            (words::count(wave.candidates, "candidate", "candidates"))
                            @if wave.state == WaveState::Released && !wave.claims_sent { "; its claims are still being sent" }
                        }
                    }
                }
            }
        }
    }
}

fn reconciliation_table(reconciled: &[Reconciled<'_>]) -> Markup {
    html! {
        section aria-labelledby="reconciliation" {
            h2 id="reconciliation" { "Reconciliation" }
            @if reconciled.is_empty() { p { "There is no campaign yet." } }
            @else {
                ul class="nhsuk-list nhsuk-list--bullet" {
                    @for one in reconciled {
                        li {
                            (one.campaign) ": "
                            @match &one.picture {
                                Ok(Some(picture)) => {
                                    @let (adds_up, sentence) = reconciliation(&picture.funnel.people);
                                    span aria-hidden="true" { @if adds_up { "✓ " } @else { "✗ " } }
                                    (sentence) " Data up to " (words::time(picture.watermark)) "."
                                },
                                Ok(None) => "no report yet.",
                                Err(error) => { (error) "." },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A file's name without what tells several uploads of one name apart.
pub(crate) fn file_name(file: &FeedFile) -> &str {
    file.name.split('#').next().unwrap_or(&file.name)
}

pub(crate) fn file_state(state: FeedFileState) -> (&'static str, &'static str) {
    match state {
        FeedFileState::Processing => ("blue", "being cut"),
        FeedFileState::Preprocessed => ("blue", "being applied"),
        FeedFileState::AwaitingApproval => ("orange", "waits for approval"),
        FeedFileState::Processed => ("green", "processed"),
        FeedFileState::Failed => ("red", "refused"),
        FeedFileState::Duplicate => ("grey", "duplicate, not processed"),
        FeedFileState::Empty => ("grey", "empty, not processed"),
        FeedFileState::Unauthorised => ("red", "not permitted"),
    }
}

fn file_table(console: &Console, files: &Result<Vec<FeedFile>, SourceError>) -> Markup {
    html! {
        section aria-labelledby="files" {
            h2 id="files" { "Feed files of the last 7 days" }
            @match files {
                Err(error) => (failed(error)),
                Ok(files) if files.is_empty() => p { "None came. A file is taken in when it is uploaded to the inbound bucket." },
                Ok(files) => {
                    @if files.len() > MOST_FILES {
                        p { "The latest " (MOST_FILES) " of " (words::count(files.len() as u64, "file", "files")) "." }
                    }
                    (feeds::table(console, files.iter().take(MOST_FILES)))
                },
            }
        }
    }
}
