//! Whole requests on a store whose database fails as DynamoDB may: the answers are those of one that does not.

use futures::future::join_all;
use ims_testkit::dynamodb::DynamoDb;
use ims_testkit::faults::{Fault, Faults, Kind, Plan};
use serde_json::Value;

use super::stored::{id, store_at};
use super::*;

const AT_ONCE: usize = 64;
/// Shares of requests that meet each kind, as on a bad day.
const BAD_DAY: [(Kind, f64); 7] = [
    (Kind::Conflict, 0.15),
    (Kind::InProgress, 0.03),
    (Kind::Throttle, 0.10),
    (Kind::ServerError, 0.03),
    (Kind::LostReply, 0.10),
    (Kind::StaleRead, 0.50),
    (Kind::Slow, 0.05),
];

/// The API on a database behind the proxy.
struct Api {
    database: DynamoDb,
    faults: Faults,
    store: Store,
    gate: Gate,
}

impl Api {
    /// Entries of people's audit trails; each lies under its actor as well.
    fn audited(&self) -> usize {
        let of_person = |item: &&Value| item["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("P#"));
        self.database.items("AUDIT", "").iter().filter(of_person).count()
    }

    async fn start() -> Self {
        let database = DynamoDb::default();
        let faults = Faults::new(&database.listen().await.unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(faults.clone().serve(listener));
        Self { database, faults, store: store_at(&url), gate: gate() }
    }

    async fn ask(&self, request: Request) -> Answer {
        answer(&self.store, &self.gate, &request, "2025-10-01T12:00:00Z".parse().unwrap()).await.unwrap()
    }

    async fn create(&self) -> Answer {
        self.ask(request("POST", "/Immunization", "EMIS", &immunization())).await
    }

    async fn update(&self, version: &str) -> Answer {
        let body = immunization().replacen('{', &format!("{{\"id\":\"{}\",", id()), 1);
        let mut sent = request("PUT", &format!("/Immunization/{}", id()), "EMIS", &body);
        sent.headers.push(("E-Tag".into(), version.into()));
        self.ask(sent).await
    }

    /// Versions of the one record that are kept, and the number of people.
    fn held(&self) -> (Vec<u32>, usize) {
        let mut items = self.database.items("EVENT", "IMM#");
        items.extend(self.database.items("EVENT", "PAST#"));
        let mut versions: Vec<u32> =
            items.iter().map(|item| item["version"]["N"].as_str().unwrap().parse().unwrap()).collect();
        versions.sort_unstable();
        (versions, self.database.items("PERSON", "SUMMARY").len())
    }
}

fn bad_day(seed: u64) -> Plan {
    Plan { seed, faults: BAD_DAY.iter().map(|(kind, rate)| Fault::new(*kind, *rate)).collect() }
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn of_many_creates_one_is_taken_and_of_many_updates_one_is_made_on_a_bad_day() {
    for seed in [1, 2, 3] {
        let api = Api::start().await;
        api.faults.set(bad_day(seed));
        let answers = join_all((0..AT_ONCE).map(|_| api.create())).await;
        assert_eq!((count(&answers, 201), count(&answers, 422)), (1, AT_ONCE - 1), "seed {seed}");
        assert_eq!(api.held(), (vec![1], 1), "seed {seed}");
        let creating = api.faults.counts();
        api.faults.set(bad_day(seed + 100));
        let answers = join_all((0..AT_ONCE).map(|_| api.update("1"))).await;
        assert_eq!((count(&answers, 200), count(&answers, 400)), (1, AT_ONCE - 1), "seed {seed}");
        assert_eq!(api.held(), (vec![1, 2], 1), "seed {seed}");
        for counts in [creating, api.faults.counts()] {
            for kind in [Kind::Conflict, Kind::Throttle, Kind::LostReply, Kind::ServerError] {
                assert!(counts.of(kind) > 0, "seed {seed}: {kind:?} was not injected: {counts:?}");
            }
            assert_eq!(counts.eventual_reads, 0, "every read is consistent, so that none can be stale");
        }
    }
}

#[tokio::test]
async fn a_create_whose_reply_is_lost_after_success_is_answered_as_made() {
    // Once, and so often that the client's own attempts are used up.
    for times in [1, 10] {
        let api = Api::start().await;
        let lost = Fault::new(Kind::LostReply, 1.0).on("TransactWriteItems").at_most(times);
        api.faults.set(Plan { seed: times, faults: vec![lost] });
        let answer = api.create().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(api.faults.counts().of(Kind::LostReply), times);
        assert_eq!(api.held(), (vec![1], 1));
        assert_eq!(api.audited(), 1, "written once, and so audited once");
        assert_eq!(api.create().await.status, 422, "the next one is a duplicate");
        api.faults.set(Plan {
            seed: times,
            faults: vec![Fault::new(Kind::LostReply, 1.0).on("TransactWriteItems").at_most(times)],
        });
        assert_eq!(api.update("1").await.status, 200, "and so with an update");
        assert_eq!(api.faults.counts().of(Kind::LostReply), times);
        assert_eq!(api.held(), (vec![1, 2], 1));
    }
}

#[tokio::test]
async fn a_disclosure_is_audited_though_a_transaction_holds_the_entry() {
    let api = Api::start().await;
    assert_eq!(api.create().await.status, 201);
    api.faults.set(Plan { seed: 1, faults: vec![Fault::new(Kind::Conflict, 1.0).on("TransactWriteItems").at_most(3)] });
    let read = api.ask(request("GET", &format!("/Immunization/{}", id()), "EMIS", "")).await;
    assert_eq!((read.status, api.faults.counts().of(Kind::Conflict)), (200, 3));
    assert_eq!(api.audited(), 2);
}
