//! People of whom something becomes known between their selection and the print cut-off: while the letter waits it is
//! withdrawn, once it is sealed it is stopped, each by the code that `letter-dispatch` runs, on a store in memory.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use ims_decision::{RulesCache, claim_letter, conclude, stop_reason};
use ims_domain::campaign::{ContactPlan, Step, Wave, WaveState};
use ims_domain::contact::{Channel, Reason};
use ims_domain::invitation::{Invitation, InvitationState, Message, MessageState};
use ims_domain::person::{Death, Membership};
use ims_domain::{BatchId, MessageId, Person, PersonId};
use ims_store::{AuditEntry, Definition, Store, Tables};
use ims_testkit::dynamodb::DynamoDb;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::json;
use uuid::Uuid;

const TODAY: Date = date(2025, 10, 6);
const CAMPAIGN: &str = "flu-2025";
const BATCH: BatchId = BatchId(Uuid::from_u128(9));

struct Desk {
    store: Store,
    rules: RulesCache,
    person: Person,
    message: Message,
}

impl Desk {
    /// Somebody of 75 with an address and no telephone, invited by a letter that waits.
    async fn with_a_letter_that_waits() -> Self {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .endpoint_url(DynamoDb::default().listen().await.expect("a port"))
            .allow_no_auth()
            .build();
        let tables = Tables::from_lookup(|variable| Some(variable.to_owned())).expect("tables");
        let store = Store::new(Client::from_conf(config), tables);
        let plan: ContactPlan =
            serde_json::from_str(include_str!("../../../tests/campaigns/flu.plan.json")).expect("a plan");
        let rules = include_str!("../../../tests/campaigns/flu.json").to_owned();
        let campaign = plan.campaign.clone();
        assert_eq!(campaign, CAMPAIGN);
        let entry = AuditEntry::new(Timestamp::UNIX_EPOCH, "test", "define", String::new());
        let definition = Definition { campaign, version: 1, rules, plan, authors: vec![] };
        store.create_definition(&definition, &entry).await.expect("a definition");
        let wave: Wave = serde_json::from_value(json!({
            "campaign": CAMPAIGN, "wave": "w1", "state": WaveState::Selected, "selected_on": TODAY, "manifest": "m",
            "definition": 1, "cohorts": [], "parts": 1, "version": 1,
        }))
        .expect("a wave");
        store.create_wave(&wave, &entry).await.expect("created");
        let released = Wave { state: WaveState::Released, version: 2, ..wave.clone() };
        store.move_wave(&released, &wave, None).await.expect("released");

        let mut person = Person::new(PersonId(Uuid::from_u128(1)), "9990001014".parse().ok());
        person.version = 1;
        person.demographics.given_name = "Siân".into();
        person.demographics.family_name = "Example".into();
        person.demographics.date_of_birth = Some(date(1950, 1, 2));
        person.demographics.address_lines = vec!["1 Test Row".into()];
        person.demographics.postcode = "CB3 8DX".into();
        let message = Message {
            id: MessageId::of(person.id, CAMPAIGN, 1, Step::Invite.name(), Channel::Letter.name()),
            person: person.id,
            campaign: CAMPAIGN.into(),
            programme: "FLU".parse().expect("flu"),
            dose: 1,
            wave: "w1".into(),
            step: Step::Invite,
            channel: Channel::Letter,
            state: MessageState::Queued,
            detail: None,
            attempt: 0,
            queued_on: TODAY,
            sent_on: None,
            claimed_at: None,
            provider: None,
            provider_id: None,
            batch: None,
            version: 1,
        };
        let invitation = Invitation {
            person: person.id,
            campaign: CAMPAIGN.into(),
            programme: message.programme,
            dose: 1,
            wave: "w1".into(),
            cohort: "flu_65_plus".into(),
            state: InvitationState::Open,
            reason: None,
            issued: TODAY,
            next_step: None,
            version: 1,
            decisions: Vec::new(),
            messages: vec![message.id],
        };
        let transaction = store.transaction().write_person(&person, 0).await.expect("a person");
        let transaction = transaction.write_invitation(&invitation, 0).expect("an invitation");
        transaction.create_message(&message).expect("a message").commit().await.expect("written");
        Self { store, rules: RulesCache::default(), person, message }
    }

    async fn becomes_known(&mut self, change: impl Fn(&mut Person)) {
        let held = self.person.version;
        change(&mut self.person);
        self.person.version = held + 1;
        let transaction = self.store.transaction().write_person(&self.person, held).await.expect("a person");
        transaction.commit().await.expect("written");
    }

    async fn claim(&self) -> Option<(Message, Person)> {
        let (store, rules) = (&self.store, &self.rules);
        claim_letter(store, rules, self.message.id, BATCH, TODAY, Timestamp::now(), "test").await.expect("a claim")
    }

    async fn letter(&self) -> Message {
        self.store.message(self.message.id).await.expect("a message").expect("a message")
    }
}

/// What becomes of a letter that waits, and of one that is sealed, when this becomes known.
async fn withdrawn_and_stopped_after(reason: Reason, change: impl Fn(&mut Person)) {
    let mut desk = Desk::with_a_letter_that_waits().await;
    desk.becomes_known(&change).await;
    assert!(desk.claim().await.is_none(), "{reason:?}: it is not held for a batch");
    let letter = desk.letter().await;
    assert_eq!((letter.state, letter.detail.as_deref()), (MessageState::Withdrawn, Some(reason.name())));
    assert_eq!(desk.store.pending_letters(CAMPAIGN).await.expect("letters"), [], "{reason:?}: nothing waits");
    let invitation = desk.store.invitation(desk.person.id, CAMPAIGN, 1).await.expect("read").expect("an invitation");
    assert_eq!((invitation.state, invitation.reason), (InvitationState::Suppressed, Some(reason)));

    let mut desk = Desk::with_a_letter_that_waits().await;
    let (claimed, _) = desk.claim().await.expect("it is held for the batch");
    conclude(&desk.store, &claimed, MessageState::Sent, Some(BATCH.to_string()), None).await.expect("sealed");
    let asked = async |desk: &Desk| {
        let letter = desk.letter().await;
        stop_reason(&desk.store, &desk.rules, &letter, &desk.person, TODAY).await.expect("an answer")
    };
    assert_eq!(asked(&desk).await, None, "nothing stands against it yet");
    desk.becomes_known(&change).await;
    assert_eq!(asked(&desk).await, Some(reason));
}

#[tokio::test]
async fn a_letter_to_somebody_who_died_is_withdrawn_and_a_sealed_one_stopped() {
    withdrawn_and_stopped_after(Reason::Dead, |person| {
        person.states.dead = Some(Death { date: Some(TODAY), formal: false });
    })
    .await;
}

#[tokio::test]
async fn a_letter_to_somebody_who_booked_is_withdrawn_and_a_sealed_one_stopped() {
    withdrawn_and_stopped_after(Reason::Booked, |person| {
        person.programmes.entry("FLU".parse().expect("flu")).or_default().booked = Some(date(2025, 10, 9));
    })
    .await;
}

#[tokio::test]
async fn a_letter_to_somebody_who_was_vaccinated_is_withdrawn_and_a_sealed_one_stopped() {
    withdrawn_and_stopped_after(Reason::Vaccinated, |person| {
        person.programmes.entry("FLU".parse().expect("flu")).or_default().doses.push(TODAY);
    })
    .await;
}

#[tokio::test]
async fn a_letter_to_somebody_who_opted_out_is_withdrawn_and_a_sealed_one_stopped() {
    withdrawn_and_stopped_after(Reason::OptedOut, |person| {
        let wish = Membership { member: true, date: TODAY, order: String::new(), source: String::new() };
        person.cohorts.insert("contact_opt_out_flu".into(), wish);
    })
    .await;
}

#[tokio::test]
async fn a_letter_to_somebody_who_became_restricted_is_withdrawn_and_a_sealed_one_stopped() {
    withdrawn_and_stopped_after(Reason::Restricted, |person| person.states.restricted = true).await;
}
