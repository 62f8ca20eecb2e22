//! The pages through the router, on a source that answers from memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, header};
use futures::future::BoxFuture;
use ims_domain::campaign::ContactPlan;
use ims_domain::wave::{Wave, WaveState};
use ims_domain::{NhsNumber, PersonId};
use ims_messaging::Depth;
use ims_runtime::auth::{Claims, SigningKey};
use ims_snapshot::Comparison;
use ims_store::{
    Actor, AuditEntry, AuditSpan, Definition, Draft, FeedFile, FeedFileState, MatchingCount, MatchingOrder,
    MatchingRefusal, NamedRecord, Ruled,
};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::Value;
use tower::ServiceExt;

use super::*;
use crate::rooms::Role;

// An Ed25519 key pair made for tests (RFC 8032, test 1): it protects nothing.
const PRIVATE: [u8; 32] = [
    0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5,
    0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
];
const PICTURE: &str = include_str!("../fixtures/picture.json");
const RULES: &str = include_str!("../../../tests/campaigns/flu.json");
const PLAN: &str = include_str!("../../../tests/campaigns/flu.plan.json");

fn key() -> SigningKey {
    // PKCS#8 wrapping of an Ed25519 seed (RFC 8410).
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend_from_slice(&PRIVATE);
    SigningKey::read(&der).unwrap()
}

fn token(change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = Claims { role: Some("analyst".into()), ..Claims::new("Sam Staff", 1_700_000_000, 2_300_000_000) };
    change(&mut claims);
    key().sign(&claims).unwrap()
}

fn token_of(role: &str) -> String {
    token(|claims| claims.role = Some(role.to_owned()))
}

/// A source that answers what it was given.
#[derive(Clone)]
struct Given {
    now: Timestamp,
    campaigns: Vec<CampaignRecord>,
    pictures: BTreeMap<String, Vec<u8>>,
    queues: Option<Vec<QueueDepth>>,
    snapshot: Option<SnapshotState>,
    files: Vec<FeedFile>,
    people: Vec<PersonFile>,
    matching: MatchingList,
    matched: Vec<MatchedFile>,
    ordered: Arc<Mutex<Vec<(MatchingOrder, String)>>>,
    audited: Arc<Mutex<Vec<AuditEntry>>>,
    drafts: Arc<Mutex<Vec<Draft>>>,
    /// Parts that were to be counted.
    queued: Arc<Mutex<Vec<u32>>>,
    /// What was counted so far, part by part.
    previewed: Arc<Mutex<Vec<Comparison>>>,
    rulings: Arc<Mutex<Vec<FileRuling>>>,
    /// What was asked about plans of waves.
    asked: Arc<Mutex<Vec<Value>>>,
    orders: Arc<Mutex<Vec<WaveOrder>>>,
    /// Files of the watch over waves.
    watched: BTreeMap<String, String>,
    /// Whether the audit trail can be written.
    is_audited: bool,
}

impl Given {
    /// Who did what with which result, in the order in which it was written down.
    fn audited(&self) -> Vec<String> {
        let entries = self.audited.lock().unwrap();
        entries
            .iter()
            .map(|entry| {
                let whom = if entry.person.is_some() { "person" } else { "nobody" };
                format!("{} {} {whom} {}: {}", entry.actor, entry.operation, entry.result.name(), entry.purpose)
            })
            .collect()
    }
}

impl Source for Given {
    fn now(&self) -> Timestamp {
        self.now
    }
    fn business_now(&self) -> BoxFuture<'_, Result<Timestamp, SourceError>> {
        Box::pin(async { Ok("2025-11-03T09:00:00Z".parse().unwrap()) })
    }
    fn campaigns(&self) -> BoxFuture<'_, Result<Vec<CampaignRecord>, SourceError>> {
        Box::pin(async { Ok(self.campaigns.clone()) })
    }
    fn plan_waves(&self, request: Value) -> BoxFuture<'_, Result<Result<Value, String>, SourceError>> {
        self.asked.lock().unwrap().push(request.clone());
        Box::pin(async move { Ok(plans::answer(&request)) })
    }
    fn wave<'a>(&'a self, campaign: &'a str, wave: &'a str) -> BoxFuture<'a, Result<Option<Wave>, SourceError>> {
        let mut waves = self.campaigns.iter().flat_map(|record| &record.waves);
        let found = waves.find(|held| (held.campaign.as_str(), held.wave.as_str()) == (campaign, wave)).cloned();
        Box::pin(async move { Ok(found) })
    }
    fn govern(&self, order: WaveOrder) -> BoxFuture<'_, Result<Result<(), String>, SourceError>> {
        Box::pin(async move {
            if order.reason.contains("not yours") {
                return Ok(Err("approve of wave 'w1' is for somebody else".to_owned()));
            }
            self.orders.lock().unwrap().push(order);
            Ok(Ok(()))
        })
    }
    fn watched<'a>(&'a self, file: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>> {
        Box::pin(async move { Ok(self.watched.get(file).map(|text| text.as_bytes().to_vec())) })
    }
    fn picture<'a>(&'a self, campaign: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>> {
        Box::pin(async move { Ok(self.pictures.get(campaign).cloned()) })
    }
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueDepth>, SourceError>> {
        Box::pin(async { self.queues.clone().ok_or_else(|| SourceError::of("the queues")("no answer")) })
    }
    fn checked(&self) -> BoxFuture<'_, Result<Option<(String, Timestamp)>, SourceError>> {
        let state = self.snapshot.clone();
        Box::pin(async { Ok(state.and_then(|state| Some((state.manifest, state.checked?)))) })
    }
    fn snapshot(&self) -> BoxFuture<'_, Result<Option<SnapshotState>, SourceError>> {
        Box::pin(async { Ok(self.snapshot.clone()) })
    }
    fn drafts<'a>(&'a self, campaign: &'a str) -> BoxFuture<'a, Result<Vec<Draft>, SourceError>> {
        let drafts = self.drafts.lock().unwrap().iter().filter(|draft| draft.campaign == campaign).cloned().collect();
        Box::pin(async { Ok(drafts) })
    }
    fn draft<'a>(&'a self, campaign: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Draft>, SourceError>> {
        let is = |draft: &&Draft| draft.campaign == campaign && draft.draft == id;
        let draft = self.drafts.lock().unwrap().iter().find(is).cloned();
        Box::pin(async { Ok(draft) })
    }
    fn write_draft(&self, draft: Draft) -> BoxFuture<'_, Result<(), SourceError>> {
        self.drafts.lock().unwrap().push(draft);
        Box::pin(async { Ok(()) })
    }
    fn remove_draft(&self, removed: Draft) -> BoxFuture<'_, Result<(), SourceError>> {
        self.drafts.lock().unwrap().retain(|draft| *draft != removed);
        Box::pin(async { Ok(()) })
    }
    fn queue_preview(&self, _: Draft, parts: Vec<u32>) -> BoxFuture<'_, Result<(), SourceError>> {
        self.queued.lock().unwrap().extend(parts);
        Box::pin(async { Ok(()) })
    }
    fn preview(&self, draft: Draft) -> BoxFuture<'_, Result<Vec<Option<Comparison>>, SourceError>> {
        let parts = self.previewed.lock().unwrap().clone();
        Box::pin(async move { Ok((0..draft.parts as usize).map(|part| parts.get(part).cloned()).collect()) })
    }
    fn files(&self, days: Vec<Date>) -> BoxFuture<'_, Result<Vec<FeedFile>, SourceError>> {
        assert!(days.len() == 7 || days.len() == 1);
        Box::pin(async { Ok(self.files.clone()) })
    }
    fn file<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<FeedFile>, SourceError>> {
        Box::pin(async move { Ok(self.files.iter().find(|file| file.name == name).cloned()) })
    }
    fn decide_file(&self, ruling: FileRuling) -> BoxFuture<'_, Result<Result<(), String>, SourceError>> {
        Box::pin(async move {
            if ruling.reason.contains("decided before") {
                return Ok(Err(format!("file '{}' does not wait for a decision", ruling.file)));
            }
            self.rulings.lock().unwrap().push(ruling);
            Ok(Ok(()))
        })
    }
    fn acknowledgement<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, SourceError>> {
        let report = r#"{"summary":{"ingestionTime":{"start":100,"end":112}}}"#;
        Box::pin(async move { Ok(Some(if key.ends_with(".json") { report.into() } else { key.into() })) })
    }
    fn person_by_nhs_number(&self, number: NhsNumber) -> BoxFuture<'_, Result<Option<PersonId>, SourceError>> {
        let found = self.people.iter().map(|file| &file.record.person).find(|one| one.nhs_number == Some(number));
        Box::pin(async move { Ok(found.map(|person| person.id)) })
    }
    fn person(&self, id: PersonId) -> BoxFuture<'_, Result<Option<PersonFile>, SourceError>> {
        Box::pin(async move { Ok(self.people.iter().find(|file| file.record.person.id == id).cloned()) })
    }
    fn matching(&self, _: usize, days: Vec<Date>) -> BoxFuture<'_, Result<MatchingList, SourceError>> {
        assert_eq!(days.len(), 7);
        Box::pin(async { Ok(self.matching.clone()) })
    }
    fn matching_count(&self, before: Timestamp) -> BoxFuture<'_, Result<MatchingCount, SourceError>> {
        let waiting = &self.matching.waiting;
        let old = waiting.iter().filter(|entry| entry.since < before).count() as u64;
        let count = MatchingCount { open: waiting.len() as u64, old };
        Box::pin(async move { Ok(count) })
    }
    fn matched(&self, record: NamedRecord) -> BoxFuture<'_, Result<Option<MatchedFile>, SourceError>> {
        let found = self.matched.iter().find(|file| match (&file.held, &record) {
            (Matched::Immunisation(held), NamedRecord::Immunisation(id)) => held.id == *id,
            (Matched::Booking(held), NamedRecord::Booking(person, reference)) => {
                (held.person, &held.reference) == (*person, reference)
            }
            _ => false,
        });
        Box::pin(async move { Ok(found.cloned()) })
    }
    fn settle(
        &self,
        record: NamedRecord,
        order: MatchingOrder,
        reason: String,
        staff: Actor,
    ) -> BoxFuture<'_, Result<Result<Ruled, MatchingRefusal>, SourceError>> {
        Box::pin(async move {
            let Some(file) = self.matched(record).await? else { return Ok(Err(MatchingRefusal::NotThere)) };
            if order == MatchingOrder::Undo && file.held.matching().decision.is_none() {
                return Ok(Err(MatchingRefusal::NothingToUndo));
            }
            assert_eq!(staff.role.as_deref(), Some("records-officer"));
            self.ordered.lock().unwrap().push((order, format!("{}: {reason}", staff.name)));
            Ok(Ok(Ruled { person: file.person.id, changed: true }))
        })
    }
    fn audit(&self, entry: AuditEntry) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            if !self.is_audited {
                return Err(SourceError::of("the audit trail")("refused"));
            }
            self.audited.lock().unwrap().push(entry);
            Ok(())
        })
    }
    fn trail_of_person(&self, id: PersonId, _: AuditSpan) -> BoxFuture<'_, Result<Vec<AuditEntry>, SourceError>> {
        self.trail_since(id, Timestamp::MIN)
    }
    fn trail_since(&self, id: PersonId, since: Timestamp) -> BoxFuture<'_, Result<Vec<AuditEntry>, SourceError>> {
        let mut found = self.audited.lock().unwrap().clone();
        found.retain(|entry| entry.person == Some(id) && entry.at >= since);
        Box::pin(async move { Ok(found) })
    }
    fn trail_of_actor<'a>(
        &'a self,
        actor: &'a str,
        _: AuditSpan,
    ) -> BoxFuture<'a, Result<Vec<AuditEntry>, SourceError>> {
        let mut found = self.audited.lock().unwrap().clone();
        found.retain(|entry| entry.actor == actor);
        Box::pin(async move { Ok(found) })
    }
}

fn nothing() -> Given {
    Given {
        now: "2026-11-22T14:04:00Z".parse().unwrap(),
        campaigns: vec![],
        pictures: BTreeMap::new(),
        queues: Some(vec![]),
        snapshot: None,
        files: vec![],
        people: vec![],
        matching: MatchingList::default(),
        matched: vec![],
        ordered: Arc::default(),
        audited: Arc::default(),
        drafts: Arc::default(),
        queued: Arc::default(),
        previewed: Arc::default(),
        rulings: Arc::default(),
        asked: Arc::default(),
        orders: Arc::default(),
        watched: BTreeMap::new(),
        is_audited: true,
    }
}

fn season() -> Given {
    let plan: ContactPlan = serde_json::from_str(PLAN).unwrap();
    let definition = Definition { campaign: "flu-2025".into(), version: 1, rules: RULES.into(), plan, authors: vec![] };
    let wave = Wave {
        campaign: "flu-2025".into(),
        wave: "w1".into(),
        state: WaveState::Released,
        selected_on: date(2025, 10, 6),
        manifest: "00000003".into(),
        definition: 1,
        cohorts: vec![],
        parts: 4,
        eligible: 8000,
        candidates: 6000,
        claims: 60,
        claims_sent: true,
        released_on: Some(date(2025, 10, 6)),
        authors: vec!["Ann Author".into()],
        deeds: vec![],
        version: 3,
    };
    let depth = Depth { waiting: 3, in_flight: 1, delayed: 0 };
    Given {
        campaigns: vec![CampaignRecord { definition, waves: vec![wave] }],
        pictures: BTreeMap::from([("flu-2025".to_owned(), PICTURE.as_bytes().to_vec())]),
        queues: Some(vec![QueueDepth { name: "RECORD_INGEST", depth: Some(depth), dead: Some(0) }]),
        snapshot: Some(SnapshotState {
            version: 12,
            manifest: "00000012-0a1b".into(),
            created: "2026-11-22T14:03:20Z".parse().unwrap(),
            checked: None,
            business_date: date(2025, 11, 3),
            parts: 4,
        }),
        files: vec![FeedFile {
            cleansed: [("White space around a value was left out".to_owned(), 12)].into(),
            name: "FLU_Vaccinations_v5_YGM41_20250730T12000000.csv".into(),
            etag: "e".into(),
            message_id: "m".into(),
            feed: "vaccinations".into(),
            supplier: "EMIS".into(),
            vaccine: Some("FLU".into()),
            state: FeedFileState::Processed,
            error: None,
            duplicate_of: None,
            held: None,
            list: None,
            left: 0,
            rules: BTreeMap::from([("GENDER must be 1, 2, 9 or 0".to_owned(), 10)]),
            received: "2026-11-22T13:00:00Z".parse().unwrap(),
            rows: 1000,
            chunks: 3,
            accepted: 990,
            rejected: 10,
        }],
        ..nothing()
    }
}

fn console(source: Given) -> Console {
    Console::new("sandbox", "/console", &key().jwks(), Assets::default(), Box::new(source)).unwrap()
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn has(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.body.contains(text), "'{text}' is not in: {}", self.body);
        }
    }
}

async fn send(console: Console, request: Request<Body>) -> Answer {
    let response = router(Arc::new(console)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn get_with(console: Console, path: &str, token: Option<&str>) -> Answer {
    let mut request = Request::get(format!("/console{path}"));
    if let Some(token) = token {
        request = request.header(header::COOKIE, format!("other=1; ims_session={token}"));
    }
    send(console, request.body(Body::empty()).unwrap()).await
}

async fn get_as(role: &str, source: Given, path: &str) -> Answer {
    get_with(console(source), path, Some(&token_of(role))).await
}

async fn post(path: &str, headers: &[(&str, &str)], body: String) -> Answer {
    let mut request = Request::post(format!("/console{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(console(season()), request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_room_opens_for_its_roles_and_tells_others_whose_it_is() {
    for role in Role::ALL {
        for room in Room::ALL {
            let answer = get_as(role.name(), season(), room.path()).await;
            let expected = matches!(
                (role.name(), room.name()),
                ("planner", "Picture" | "Campaigns" | "Waves" | "Messages" | "Feeds")
                    | ("analyst", "Picture" | "Campaigns" | "Messages")
                    | ("engineer", "Picture" | "Campaigns" | "Waves" | "Messages" | "Feeds" | "System")
                    | ("records-officer", "Person" | "Matching" | "Feeds")
                    | ("auditor", "Audit")
            );
            assert_eq!(answer.status, if expected { 200 } else { 403 }, "{} {}", role.name(), room.name());
            if !expected {
                answer.has(&["You may not enter this room", room.roles()[0].name()]);
            }
            for other in Room::ALL {
                let link = format!("class=\"nhsuk-header__navigation-link\" href=\"/console{}\"", other.path());
                assert_eq!(answer.body.contains(&link), other.admits(role), "{} {}", role.name(), other.name());
            }
        }
        let home = get_as(role.name(), season(), "/").await;
        match role.rooms().next() {
            Some(room) => assert_eq!(home.header("location"), format!("/console{}", room.path())),
            None => home.has(&["No room for your role yet"]),
        }
    }
    assert_eq!(get_as("agent", season(), "/picture.csv").await.status, 403);
    assert_eq!(get_as("agent", season(), "/campaigns/flu-2025").await.status, 403);
}

#[tokio::test]
async fn who_is_not_signed_in_is_asked_to_and_comes_back() {
    let answer = get_with(console(season()), "/picture?campaign=flu-2025&area=Y56", None).await;
    assert_eq!(answer.status, 303);
    let location = answer.header("location");
    assert_eq!(location, "/console/sign-in?next=%2Fpicture%3Fcampaign%3Dflu-2025%26area%3DY56");
    let form = get_with(console(season()), location.strip_prefix("/console").unwrap(), None).await;
    form.has(&["cargo ims token --staff NAME --role ROLE", "value=\"/picture?campaign=flu-2025&amp;area=Y56\""]);
    let expired = token(|claims| claims.exp = 1_700_000_000);
    let answer = get_with(console(season()), "/picture", Some(&expired)).await;
    assert_eq!(answer.header("location"), "/console/sign-in?next=%2Fpicture&ended=1");
    for path in ["", "/"] {
        assert_eq!(get_with(console(season()), path, None).await.header("location"), "/console/sign-in");
    }
}

#[tokio::test]
async fn a_token_opens_the_console_only_if_it_is_a_valid_one_of_staff() {
    let forged = {
        let mut text = token_of("engineer");
        let last = if text.ends_with('A') { "B" } else { "A" };
        text.replace_range(text.len() - 1.., last);
        text
    };
    let supplier = token(|claims| (claims.role, claims.supplier) = (None, Some("EMIS".into())));
    for (token, status, text) in [
        (token_of("engineer"), 303, ""),
        (token(|claims| claims.exp = 1_700_000_000), 401, "not valid or has expired"),
        (forged, 401, "not valid or has expired"),
        ("nonsense".to_owned(), 401, "not valid or has expired"),
        (supplier, 403, "supplier system EMIS"),
        (token(|claims| claims.role = None), 403, "carries no role"),
        (token_of("cook<b>"), 403, "The role 'cook&lt;b&gt;' is not known"),
        (String::new(), 400, "Paste a token"),
    ] {
        let answer = post("/sign-in", &[("sec-fetch-site", "same-origin")], format!("token={token}")).await;
        assert_eq!(answer.status, status, "{text}");
        assert_eq!(answer.headers.contains_key("set-cookie"), status == 303, "{text}");
        answer.has(&[text]);
    }
}

#[tokio::test]
async fn the_session_cookie_is_kept_from_scripts_and_other_sites_and_ends_with_the_token() {
    let token = token_of("analyst");
    let path = format!("/sign-in?token={token}&next=/picture");
    let answer = get_with(console(season()), &path, None).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/console/picture"));
    let left = 4_000_000_000 - season().now.as_second();
    let expected = format!("ims_session={token}; Path=/console; Max-Age={left}; HttpOnly; SameSite=Lax");
    assert_eq!(answer.header("set-cookie"), expected);
    let headers = [("sec-fetch-site", "same-origin"), ("x-forwarded-proto", "https")];
    let secure = post("/sign-in", &headers, format!("token={token}")).await;
    assert_eq!(secure.header("set-cookie"), format!("{expected}; Secure"));
    let out = post("/sign-out", &headers, String::new()).await;
    assert_eq!(out.header("set-cookie"), "ims_session=; Path=/console; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
}

#[tokio::test]
async fn signing_in_leads_nowhere_else() {
    for next in ["//example.org", "https://example.org", "/\\example.org", "/picture%0d%0aset-cookie:x", "/sign-out"] {
        let path = format!("/sign-in?token={}&next={next}", token_of("analyst"));
        let answer = get_with(console(season()), &path, None).await;
        assert_eq!(answer.status, 400, "{next}");
        assert!(!answer.headers.contains_key("set-cookie") && !answer.headers.contains_key("location"), "{next}");
    }
}

#[tokio::test]
async fn a_post_of_another_site_is_refused() {
    for (headers, is_own) in [
        (vec![("sec-fetch-site", "same-origin")], true),
        (vec![("sec-fetch-site", "cross-site"), ("origin", "http://console.test"), ("host", "console.test")], false),
        (vec![("sec-fetch-site", "same-site")], false),
        (vec![("origin", "http://console.test"), ("host", "console.test")], true),
        (vec![("origin", "http://example.org"), ("host", "console.test")], false),
        (vec![("origin", "null"), ("host", "console.test")], false),
        (vec![], false),
    ] {
        for path in ["/sign-in", "/sign-out"] {
            let answer = post(path, &headers, format!("token={}", token_of("analyst"))).await;
            assert_eq!(answer.status, if is_own { 303 } else { 403 }, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    for path in ["/picture", "/sign-in", "/nowhere", "/assets/none.css", "/_status", "/system"] {
        let answer = get_as("analyst", season(), path).await;
        assert_eq!(answer.header("content-security-policy"), headers::POLICY, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert!(answer.headers.contains_key("permissions-policy"), "{path}");
        assert!(!answer.headers.contains_key("strict-transport-security"), "{path}");
    }
    let outside = send(console(season()), Request::get("/elsewhere").body(Body::empty()).unwrap()).await;
    assert_eq!(outside.status, 404);
    assert!(outside.headers.contains_key("content-security-policy"));
}

#[test]
fn only_a_sandbox_has_a_sign_in() {
    for (stage, starts) in [("sandbox", true), ("production", false), ("integration", false), ("", false)] {
        let console = Console::new(stage, "/console", &key().jwks(), Assets::default(), Box::new(nothing()));
        assert_eq!(console.is_ok(), starts, "{stage}");
        if let Err(error) = console {
            assert!(error.to_string().contains("no staff sign-in is configured for stage"), "{error}");
        }
    }
    for base in ["console", "//x", "/a b", "/a?b"] {
        assert!(
            Console::new("sandbox", base, &key().jwks(), Assets::default(), Box::new(nothing())).is_err(),
            "{base}"
        );
    }
}

#[tokio::test]
async fn the_picture_shows_the_funnel_and_that_it_adds_up() {
    let answer = get_as("analyst", season(), "/picture").await;
    assert_eq!(answer.status, 200);
    answer.has(&[
        "12,345",
        "72.9% of those eligible",
        "91.1% of those selected",
        "52.7% of those invited",
        "500 people: already had the dose",
        "Everyone selected is accounted for: 9,000 = sent 8,200 + suppressed 760 + failed 30 + pending 10.",
        "Data up to 14:03:20 on 22 November 2026 (40 seconds ago); business day 3 November 2025.",
        "data-chart=\"map\"",
        "data-chart=\"coverage\"",
        "data-chart=\"trend\"",
        "data-refresh=\"20\"",
        "picture?campaign=flu-2025&area={code}\"",
    ]);
    assert!(!answer.body.contains("older than 5 minutes"));
    let late = Given { now: "2026-11-22T14:08:21Z".parse().unwrap(), ..season() };
    get_as("analyst", late, "/picture").await.has(&["(5 minutes ago)", "older than 5 minutes"]);
    let mut short = season();
    let wrong = PICTURE.replacen("\"selected\": 9000", "\"selected\": 9001", 1);
    short.pictures.insert("flu-2025".into(), wrong.into_bytes());
    get_as("analyst", short, "/picture").await.has(&["Not everyone selected is accounted for"]);
}

#[tokio::test]
async fn areas_narrow_down_sort_and_withhold() {
    let answer =
        get_as("analyst", season(), "/picture?campaign=flu-2025&area=Y56&level=sub_icb&sort=eligible&order=desc").await;
    let place = |text: &str| answer.body.find(&format!("<th scope=\"row\">{text}</th>"));
    assert!(place("A3A8R").unwrap() < place("93C").unwrap(), "withheld comes last");
    assert!(place("84H").is_none(), "an area of another region");
    answer.has(&[
        "aria-sort=\"descending\"",
        "level=sub_icb&amp;sort=eligible&amp;order=asc",
        "withheld",
        "a small number could tell something about one person",
        "picture.csv?campaign=flu-2025&amp;area=Y56&amp;level=sub_icb&amp;sort=eligible&amp;order=desc",
    ]);
    // A level that does not lie within the area gives way to the next that does.
    let answer = get_as("analyst", season(), "/picture?area=QMF&level=region").await;
    answer.has(&["Sub-ICB locations in QMF", "<option value=\"QMF\" selected>", "5,000 eligible"]);
    get_as("analyst", season(), "/picture?campaign=&area=&level=").await.has(&["Regions in England", "Area not known"]);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_says_what_is_wrong_with_it() {
    for (path, status, text) in [
        ("/picture?campaign=%3Cb%3E", 404, "There is no campaign '&lt;b&gt;'"),
        ("/picture?area=X9", 404, "There is no area 'X9'"),
        ("/picture?level=street", 400, "The level 'street' is not known"),
        ("/picture?sort=luck", 400, "The sort 'luck' is not known"),
        ("/picture?order=up", 400, "The order 'up' is not known"),
        ("/picture.csv?area=X9", 404, "There is no area 'X9'"),
        ("/campaigns/none", 404, "There is no campaign 'none'"),
        ("/waves?campaign=none", 404, "There is no campaign 'none'"),
        ("/nowhere", 404, "There is no page"),
    ] {
        let answer = get_as("engineer", season(), path).await;
        assert_eq!(answer.status, status, "{path}");
        answer.has(&[text, "<a href=\"/console/"]);
    }
}

#[tokio::test]
async fn an_empty_room_says_what_to_do_next() {
    for (path, text) in [
        ("/picture", "There is no campaign yet"),
        ("/campaigns", "There is no campaign yet"),
        ("/waves", "There is no campaign yet"),
        ("/system", "There is no snapshot yet"),
    ] {
        let answer = get_as("engineer", nothing(), path).await;
        assert_eq!(answer.status, 200, "{path}");
        answer.has(&[text]);
    }
    let early = Given { pictures: BTreeMap::new(), ..season() };
    get_as("engineer", early.clone(), "/picture")
        .await
        .has(&["There is no picture of this campaign yet", "uptake-report"]);
    assert_eq!(get_as("engineer", early, "/picture.csv").await.status, 404);
}

#[tokio::test]
async fn a_picture_file_that_cannot_be_read_is_an_error_page() {
    for text in ["{", "{\"schema\": 1}", &PICTURE.replacen("\"schema\": 1", "\"schema\": 2", 1)] {
        let mut source = season();
        source.pictures.insert("flu-2025".into(), text.as_bytes().to_vec());
        let answer = get_as("analyst", source, "/picture").await;
        assert_eq!(answer.status, 502);
        answer.has(&["This picture cannot be shown", "flu-2025", "tell an engineer on call"]);
    }
}

#[tokio::test]
async fn the_table_comes_as_csv() {
    let answer = get_as("planner", season(), "/picture.csv?area=ENG&level=icb&sort=coverage&order=desc").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"coverage-flu-2025-ENG-icb-2025-11-03.csv\""
    );
    let lines: Vec<&str> = answer.body.lines().collect();
    assert_eq!(lines[0], "campaign,level,area_code,area_name,eligible,vaccinated,coverage,lower,upper,withheld");
    assert!(lines[1].starts_with("flu-2025,icb,QMJ,QMJ,3000,1200,0.4000,"), "{}", lines[1]);
    assert_eq!(lines[4], "flu-2025,icb,unknown,Area not known,,,,,,yes");
    assert_eq!(lines.len(), 5);
}

#[tokio::test]
async fn a_campaign_is_told_in_words() {
    get_as("planner", season(), "/campaigns").await.has(&[
        "Seasonal flu 2025 to 2026",
        "1 September 2025 to 31 March 2026",
        "1 released",
    ]);
    get_as("planner", season(), "/campaigns/flu-2025").await.has(&[
        "are aged 65 or over",
        "priority 10",
        "Remove under 65 on 31 March 2026",
        "date of birth is after 31 March 1961 (where there is none, 31 March 2026 is taken); only for the cohort flu_65_plus",
        "FLU booked appointment date is today or later",
        "<strong>or </strong>",
        "After 14 days: a reminder",
        "5,500",
    ]);
}

#[tokio::test]
async fn nothing_that_another_site_posts_is_taken() {
    let paths = ["/sign-in", "/sign-out", "/person", "/person/x", "/audit/person", "/audit/actor", "/no-such-form"];
    for path in paths {
        for from in [vec![], vec![("sec-fetch-site", "cross-site")], vec![("origin", "https://elsewhere.example")]] {
            let answer = post(path, &from, String::new()).await;
            assert_eq!(answer.status, 403, "{path} from {from:?}");
            answer.has(&["did not come from the console"]);
        }
    }
}

#[tokio::test]
async fn waves_show_state_and_counts() {
    get_as("planner", season(), "/waves?campaign=flu-2025").await.has(&[
        "released",
        "6 October 2025",
        "6,000",
        "5,500",
        "Messages may leave",
    ]);
}

#[tokio::test]
async fn the_system_room_begins_with_what_needs_attention() {
    let calm = get_as("engineer", season(), "/system").await;
    calm.has(&[
        "Nothing needs your attention.",
        "record-ingest",
        "Version 12",
        "990",
        "href=\"/console/feeds/FLU_Vaccinations_v5_YGM41_20250730T12000000.csv\"",
        "Everyone selected is accounted for",
    ]);
    // Which leads to both acknowledgements.
    let file = get_as("engineer", season(), "/feeds/FLU_Vaccinations_v5_YGM41_20250730T12000000.csv").await;
    file.has(&["/inf-ack.csv", "/bus-ack.csv", "GENDER must be 1, 2, 9 or 0"]);
    let mut troubled = season();
    troubled.queues = Some(vec![
        QueueDepth { name: "SMS_DISPATCH", depth: Some(Depth::default()), dead: Some(2) },
        QueueDepth { name: "UNDELIVERED", depth: None, dead: None },
    ]);
    troubled.campaigns[0].waves[0].state = WaveState::Paused;
    troubled.files[0].state = FeedFileState::Failed;
    troubled.files[0].error = Some("<no header>".into());
    troubled.now = "2026-11-22T15:03:20Z".parse().unwrap();
    get_as("engineer", troubled, "/system").await.has(&[
        "4 things need your attention",
        "Queue sms-dispatch has 2 dead letters",
        "a text that left is not sent again",
        "The snapshot was last brought up to date 1 hour ago",
        "was refused: &lt;no header&gt;",
        "Wave w1 of flu-2025 is paused",
        "not configured",
    ]);
    let silent = Given { queues: None, ..season() };
    let answer = get_as("engineer", silent, "/system").await;
    assert_eq!(answer.status, 200);
    answer.has(&["1 thing needs your attention", "The queues could not be read", "Version 12"]);
}

#[tokio::test]
async fn assets_are_kept_long_and_packed_for_who_takes_it() {
    let folder = std::env::temp_dir().join(format!("console-assets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let areas = r#"{"areas":[{"code":"Y56","name":"London","level":"region","parent":"ENG"}]}"#;
    for (name, content) in [
        ("manifest.json", r#"{"app.css": "app.0a1b.css", "outlines.json": "outlines.77.json"}"#),
        ("app.0a1b.css", "body{}"),
        ("app.0a1b.css.gz", "packed"),
        ("areas.json", areas),
        ("outlines.77.json", "{}"),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let assets = Assets::read(Some(&folder));
    std::fs::remove_dir_all(&folder).unwrap();
    let make = || Console { assets: assets.clone(), ..console(season()) };
    let page = get_with(make(), "/picture", Some(&token_of("analyst"))).await;
    page.has(&[
        "href=\"/console/assets/app.0a1b.css\"",
        "data-outlines=\"/console/assets/outlines.77.json\"",
        ">London</a>",
    ]);
    for (accepted, encoding, body) in [("gzip, br", "gzip", "packed"), ("br", "", "body{}"), ("gzip;q=0", "", "body{}")]
    {
        let request = Request::get("/console/assets/app.0a1b.css").header("accept-encoding", accepted);
        let answer = send(make(), request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.header("content-encoding"), answer.body.as_str()), (200, encoding, body));
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.header("content-type"), "text/css; charset=utf-8");
    }
    for path in ["/assets/none.js", "/assets/..%2Fmanifest.json"] {
        assert_eq!(get_with(make(), path, None).await.status, 404);
    }
}

#[test]
fn data_in_a_page_cannot_end_its_block() {
    let text = layout::data(&serde_json::json!({"name": "</script><b>"})).into_string();
    assert_eq!(text, "<script type=\"application/json\">{\"name\":\"\\u003c/script>\\u003cb>\"}</script>");
}

#[tokio::test]
async fn an_event_of_api_gateway_is_answered() {
    let mut event: serde_json::Value = serde_json::from_str(include_str!("../fixtures/get-picture.json")).unwrap();
    let cookie = format!("ims_session={}", token_of("planner"));
    event["headers"]["Cookie"] = cookie.clone().into();
    event["multiValueHeaders"]["Cookie"] = serde_json::json!([cookie]);
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    // The stage is in the path unless AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH is set, as the template does.
    let request = request.map(Body::new);
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().unwrap().as_str().replacen("/v1/console", "/console", 1);
    parts.uri = path.parse().unwrap();
    let answer = send(console(season()), Request::from_parts(parts, body)).await;
    assert_eq!(answer.status, 200);
    answer.has(&["ICBs in Y56", "planner"]);
    assert!(answer.header("strict-transport-security").contains("max-age=31536000"));
}

#[tokio::test]
async fn data_is_as_fresh_as_the_last_merge_that_found_nothing_new() {
    let mut given = season();
    given.now = "2026-11-22T15:00:00Z".parse().unwrap();
    get_as("analyst", given, "/picture").await.has(&["older than 5 minutes"]);

    let mut given = season();
    given.now = "2026-11-22T15:00:00Z".parse().unwrap();
    let picture: serde_json::Value = serde_json::from_str(PICTURE).unwrap();
    let snapshot = given.snapshot.as_mut().unwrap();
    snapshot.manifest = picture["manifest"].as_str().unwrap().to_owned();
    snapshot.checked = Some("2026-11-22T14:59:30Z".parse().unwrap());
    let fresh = get_as("analyst", given, "/picture").await;
    fresh.has(&["(30 seconds ago)"]);
    assert!(!fresh.body.contains("older than 5 minutes"));
}

#[tokio::test]
async fn behind_an_apis_stage_links_lead_through_it() {
    let console = Console::new("sandbox", "/v1/console", &key().jwks(), Assets::default(), Box::new(season())).unwrap();
    let answer = get_with(console, "/picture", Some(&token_of("analyst"))).await;
    assert_eq!(answer.status, 200);
    answer.has(&["href=\"/v1/console/campaigns\"", "action=\"/v1/console/sign-out\""]);
}

mod drafts;
mod governed;
mod held;
mod matching;
mod people;
mod plans;

#[tokio::test]
async fn messages_are_told_by_what_became_of_them_and_small_counts_of_a_region_are_not() {
    let file = r#"{"campaign":"flu-2025","manifest":"m1","written":"2025-10-07T09:00:00Z",
        "counts":[{"step":"invite","channel":"sms","state":"delivered","reason":"","messages":1200},
                  {"step":"invite","channel":"sms","state":"failed","reason":"permanent-failure","messages":5},
                  {"step":"invite","channel":"letter","state":"sent","reason":"","messages":300},
                  {"step":"invite","channel":"sms","state":"withdrawn","reason":"dead","messages":2}],
        "regions":[{"region":"Y56","channel":"sms","delivered":1200,"failed":5,"under_way":0}]}"#;
    let mut source = season();
    source.pictures.insert("flu-2025.delivery".to_owned(), file.as_bytes().to_vec());
    let page = get_as("planner", source, "/messages?campaign=flu-2025").await;
    assert_eq!(page.status, 200);
    page.has(&[
        "Invite, text",
        "1,200",
        "the number or address does not exist",
        "Y56, text",
        "1 to 7",
        "flu-invite-sms",
    ]);
    // Two parts each: 1,205 texts left.
    page.has(&["2,410 parts of texts", "300 letters"]);
    let none = get_as("analyst", season(), "/messages").await;
    none.has(&["Nothing is known of messages yet", "mmr-reminder-letter"]);
    assert_eq!(get_as("planner", season(), "/messages?campaign=none").await.status, 404);
}

#[tokio::test]
async fn a_template_is_shown_as_somebody_made_up_would_get_it() {
    let text = get_as("planner", season(), "/messages/templates/flu-invite-sms").await;
    text.has(&["Dear Alexandra Example", "2 parts", "GSM alphabet", "Its check found no unknown field"]);
    let letter = get_as("engineer", season(), "/messages/templates/flu-invite-letter").await;
    letter.has(&["parent or guardian of Alexandra Example", "your child"]);
    let absent = get_as("planner", season(), "/messages/templates/none").await;
    assert_eq!(absent.status, 404);
    absent.has(&["none"]);
}
