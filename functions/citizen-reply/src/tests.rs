//! The door on a store in memory: who is let in how far, and that an answer holds for what is queued.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::{Client, Config};
use ims_decision::{Claim, Claimant, Fence, RulesCache, claim};
use ims_domain::campaign::{ContactPlan, Step, Wave, WaveState};
use ims_domain::contact::{Channel, Reason};
use ims_domain::invitation::{Message, MessageState};
use ims_domain::reply::{Answer, ReplyKey};
use ims_domain::{MessageId, Person, PersonId};
use ims_runtime::Settings;
use ims_store::{AuditEntry, AuditSpan, Definition, Tables};
use ims_testkit::dynamodb::DynamoDb;
use jiff::SignedDuration;
use jiff::civil::{Date, date};
use uuid::Uuid;

use super::*;

const DAY: Date = date(2025, 10, 6);
const CAMPAIGN: &str = "flu-2025";
/// Right for the person of these tests.
const BORN: [(&str, &str); 3] = [("day", "27"), ("month", "3"), ("year", "1950")];

struct World {
    database: DynamoDb,
    store: Store,
    door: Door,
    text: MessageId,
    letter: MessageId,
    person: PersonId,
    seconds: std::cell::Cell<i64>,
}

impl World {
    /// Somebody to whom a text and a letter of a released wave are queued.
    async fn new() -> Self {
        let database = DynamoDb::default();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-2"))
            .endpoint_url(database.listen().await.unwrap())
            .retry_config(Settings::dynamodb_retries())
            .allow_no_auth()
            .build();
        let tables = Tables::from_lookup(|variable| Some(variable.trim_start_matches("IMS_TABLE_").to_owned()));
        let store = Store::new(Client::from_conf(config), tables.unwrap());
        let plan: ContactPlan = serde_json::from_str(include_str!("../../../tests/campaigns/flu.plan.json")).unwrap();
        let rules = include_str!("../../../tests/campaigns/flu.json").to_owned();
        store
            .create_definition(
                &Definition { campaign: CAMPAIGN.into(), version: 1, rules, plan, authors: vec![] },
                &entry(),
            )
            .await
            .unwrap();
        let wave = Wave {
            campaign: CAMPAIGN.into(),
            wave: "w1".into(),
            state: WaveState::Selecting,
            selected_on: DAY,
            manifest: String::new(),
            definition: 1,
            cohorts: vec![],
            parts: 1,
            eligible: 1,
            candidates: 1,
            claims: 1,
            claims_sent: true,
            released_on: None,
            authors: vec![],
            deeds: vec![],
            version: 1,
        };
        store.create_wave(&wave, &entry()).await.unwrap();
        let released = Wave { state: WaveState::Released, version: 2, ..wave.clone() };
        store.move_wave(&released, &wave, None).await.unwrap();

        let mut person = Person::new(PersonId(Uuid::from_u128(77)), None);
        person.version = 1;
        person.demographics.given_name = "Ada".into();
        person.demographics.family_name = "Byron".into();
        person.demographics.date_of_birth = Some(date(1950, 3, 27));
        person.demographics.changed = "20251001T030000".into();
        person.demographics.mobile = "07700900123".into();
        person.demographics.address_lines = vec!["1 Test Row".into()];
        person.demographics.postcode = "CB3 8DX".into();
        store.transaction().write_person(&person, 0).await.unwrap().commit().await.unwrap();
        let mut ids = [Channel::Sms, Channel::Letter].map(|channel| (channel, MessageId(Uuid::nil())));
        for (channel, id) in &mut ids {
            *id = MessageId::of(person.id, CAMPAIGN, 1, "invite", channel.name());
            let message = Message {
                id: *id,
                person: person.id,
                campaign: CAMPAIGN.into(),
                programme: "FLU".parse().unwrap(),
                dose: 1,
                wave: "w1".into(),
                step: Step::Invite,
                channel: *channel,
                state: MessageState::Queued,
                detail: None,
                attempt: 0,
                queued_on: DAY,
                sent_on: None,
                claimed_at: None,
                provider: None,
                provider_id: None,
                batch: None,
                version: 1,
            };
            store.transaction().create_message(&message).unwrap().commit().await.unwrap();
        }
        let key = ReplyKey::new(b"a secret that is only for these tests").unwrap();
        store.note_codes([(key.code(ids[1].1), ids[1].1)]).await.unwrap();
        let door = Door { key, base: "/r".into(), phone: "119".into() };
        Self {
            database,
            store,
            door,
            text: ids[0].1,
            letter: ids[1].1,
            person: person.id,
            seconds: std::cell::Cell::new(0),
        }
    }

    /// The business clock stands, as that of a sandbox; the system clock goes on.
    fn now(&self) -> Now {
        self.seconds.set(self.seconds.get() + 1);
        let business: Timestamp = "2025-10-06T09:00:00Z".parse().unwrap();
        Now { business, system: business + SignedDuration::from_secs(self.seconds.get()) }
    }

    async fn get(&self, path: &str) -> Page {
        let request = Request { is_post: false, path: path.into(), language: Language::English, form: HashMap::new() };
        respond(&self.store, &self.door, request, self.now()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let form = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request { is_post: true, path: path.into(), language: Language::English, form };
        respond(&self.store, &self.door, request, self.now()).await
    }

    /// A visitor's pass: by the text's link, or the letter's code; with the date of birth or without.
    async fn pass(&self, by: Channel, with_birth: bool) -> String {
        let page = match by {
            Channel::Sms => {
                let opened = pass_in(&self.get(&self.door.key.link(self.text)).await);
                match with_birth {
                    true => self.post("birth", &[&[("pass", opened.as_str())], &BORN[..]].concat()).await,
                    false => return opened,
                }
            }
            _ => {
                let code = self.door.key.code(self.letter).to_string();
                let born = if with_birth { &BORN[..] } else { &[] };
                self.post("", &[&[("code", code.as_str())], born].concat()).await
            }
        };
        assert_eq!(page.status, 200, "{}", page.body);
        pass_in(&page)
    }

    async fn answer(&self, pass: &str, answer: &str) -> Page {
        self.post("answer", &[("pass", pass), ("answer", answer)]).await
    }

    async fn held(&self) -> Person {
        self.store.person(self.person).await.unwrap().unwrap()
    }

    /// What the dispatcher finds when it claims the text.
    async fn claimed(&self) -> Claim {
        let (rules, fence) = (RulesCache::default(), Fence(SignedDuration::from_secs(90)));
        let now = self.now().system;
        let claimant = Claimant { actor: "sms-dispatch", provider: "GOV.UK Notify", fence, one_a_day: true };
        claim(&self.store, &rules, self.text, DAY, now, claimant).await.unwrap()
    }

    async fn trail(&self) -> Vec<String> {
        let all = AuditSpan { from: DAY, to: date(2025, 10, 7), most: 100 };
        let trail = self.store.audit_of_person(self.person, all).await.unwrap();
        trail.into_iter().map(|entry| format!("{} {}", entry.operation, entry.result.name())).collect()
    }
}

fn entry() -> AuditEntry {
    AuditEntry::new(Timestamp::UNIX_EPOCH, "test", "define", String::new())
}

fn pass_in(page: &Page) -> String {
    let rest = page.body.split("name=\"pass\" value=\"").nth(1).expect(&page.body);
    rest.split('"').next().unwrap().to_owned()
}

/// Nothing by which anybody could learn whom the message was to, or about what.
fn tells_nothing(page: &Page) {
    for told in ["Ada", "Byron", "flu", "1950-", "07700", "Test Row", "CB3"] {
        assert!(!page.body.contains(told), "{told}: {}", page.body);
    }
}

#[tokio::test]
async fn opening_a_link_changes_nothing_and_tells_nothing() {
    let world = World::new().await;
    let before = world.held().await;
    for _ in 0..2 {
        let page = world.get(&world.door.key.link(world.text)).await;
        assert_eq!(page.status, 200);
        tells_nothing(&page);
    }
    tells_nothing(&world.get("").await);
    assert_eq!(world.held().await, before);
    let other = ReplyKey::new(&[1; 32]).unwrap().link(world.text);
    for link in ["x", "style", &other, &world.door.key.link(MessageId(Uuid::from_u128(1)))] {
        assert_eq!(world.get(link).await.status, 404, "{link}");
    }
    assert!(matches!(world.claimed().await, Claim::Send(_)), "nothing stands against the text");
}

#[tokio::test]
async fn an_answer_holds_for_the_text_that_is_queued() {
    for (answer, reason) in [
        ("opt_out", Reason::OptedOut),
        ("opt_out_all", Reason::OptedOut),
        ("vaccinated_elsewhere", Reason::SaysVaccinated),
        ("bereaved", Reason::Dead),
        ("wrong_person", Reason::NoContactRoute),
    ] {
        let world = World::new().await;
        let pass = world.pass(Channel::Sms, true).await;
        let page = world.answer(&pass, answer).await;
        assert_eq!(page.status, 200, "{answer}: {}", page.body);
        let claimed = world.claimed().await;
        assert!(matches!(claimed, Claim::Withdrawn(found) if found == reason), "{answer}: {claimed:?}");
        assert_eq!(world.trail().await.iter().filter(|entry| *entry == "reply allowed").count(), 1, "{answer}");
    }
}

#[tokio::test]
async fn the_same_answer_again_changes_nothing_and_messages_come_again_for_who_wants_them() {
    let world = World::new().await;
    let pass = world.pass(Channel::Letter, true).await;
    world.answer(&pass, "opt_out").await;
    let once = world.held().await;
    assert!(once.has_opted_out("FLU".parse().unwrap()));
    assert_eq!(world.answer(&pass, "opt_out").await.status, 200);
    assert_eq!(world.held().await, once, "not even its version");
    world.answer(&pass, "resume").await;
    assert!(!world.held().await.has_opted_out("FLU".parse().unwrap()));
    assert!(matches!(world.claimed().await, Claim::Send(_)));
}

#[tokio::test]
async fn without_the_date_of_birth_contact_can_be_stopped_and_nothing_else() {
    for (by, allowed) in [
        (Channel::Sms, &["opt_out_all", "moved", "wrong_person", "bereaved"][..]),
        (Channel::Letter, &["moved", "wrong_person", "bereaved"][..]),
    ] {
        let world = World::new().await;
        let pass = world.pass(by, false).await;
        for answer in [
            Answer::OptOut.name(),
            "opt_out_all",
            "vaccinated_elsewhere",
            "moved",
            "wrong_person",
            "bereaved",
            "language",
            "format",
            "resume",
        ] {
            let before = world.held().await;
            let page = world.answer(&pass, answer).await;
            tells_nothing(&page);
            assert_eq!(page.status == 200, allowed.contains(&answer), "{answer} by {by:?}: {}", page.status);
            assert!(page.status == 200 || world.held().await == before, "{answer} by {by:?}");
        }
        // Neither does naming the choice outright.
        for (answer, value) in [("language", "cy"), ("format", "braille")] {
            let page = world.post("answer", &[("pass", &pass), ("answer", answer), ("value", value)]).await;
            assert_eq!(page.status, 404, "{answer}");
        }
    }
}

#[tokio::test]
async fn wishes_are_taken_from_whoever_gave_the_date_of_birth() {
    let world = World::new().await;
    let pass = world.pass(Channel::Letter, true).await;
    let languages = world.answer(&pass, "language").await;
    assert!(languages.body.contains("Cymraeg") && languages.body.contains("العربية"), "{}", languages.body);
    world.post("answer", &[("pass", &pass), ("answer", "language"), ("value", "cy")]).await;
    world.post("answer", &[("pass", &pass), ("answer", "format"), ("value", "large_print")]).await;
    let held = world.held().await;
    assert_eq!((held.demographics.language.as_str(), held.in_cohort("contact_large_print")), ("cy", true));
}

#[tokio::test]
async fn the_programme_is_shown_once_the_date_of_birth_is_right_and_written_down() {
    let world = World::new().await;
    let code = world.door.key.code(world.letter).to_string();
    let wrong = world.post("", &[("code", &code), ("day", "28"), ("month", "3"), ("year", "1950")]).await;
    assert_eq!(wrong.status, 422);
    tells_nothing(&wrong);
    assert!(
        wrong.body.contains("do not match")
            && wrong.body.contains(">Error: Answer a letter")
            && wrong.body.contains("href=\"#day\"")
    );
    let right = world.post("", &[&[("code", code.as_str())], &BORN[..]].concat()).await;
    assert!(right.status == 200 && right.body.contains("flu") && !right.body.contains("Ada"));
    let mut trail = world.trail().await;
    trail.sort();
    assert_eq!(trail, ["reply_open allowed", "reply_open refused"]);

    world.database.refuse("AUDIT");
    let unwritten = world.post("", &[&[("code", code.as_str())], &BORN[..]].concat()).await;
    assert_eq!(unwritten.status, 503);
    tells_nothing(&unwritten);
}

#[tokio::test]
async fn the_date_of_birth_can_be_tried_a_few_times_a_day() {
    let world = World::new().await;
    let pass = world.pass(Channel::Sms, false).await;
    let wrong = [("pass", pass.as_str()), ("day", "1"), ("month", "1"), ("year", "1950")];
    for _ in 0..10 {
        assert_eq!(world.post("birth", &wrong).await.status, 422);
    }
    let often = world.post("birth", &[&[("pass", pass.as_str())], &BORN[..]].concat()).await;
    assert_eq!(often.status, 429);
    assert!(often.body.contains("119") && !often.body.contains("flu"));
    // What needs no date of birth is taken all the same.
    assert_eq!(world.answer(&pass, "bereaved").await.status, 200);
}

#[tokio::test]
async fn what_is_typed_wrong_is_said_beside_its_field() {
    let world = World::new().await;
    let code = world.door.key.code(world.letter).to_string();
    for (fields, said) in [
        (&[("code", "")][..], "Enter the code from the letter"),
        (&[("code", "7K2M")], "Enter the code from the letter"),
        (&[("code", "0000-0000-0000")], "do not match"),
        (&[("code", code.as_str()), ("day", "31"), ("month", "2"), ("year", "1950")], "Enter a date of birth"),
        (&[("code", code.as_str()), ("day", "27")], "Enter a date of birth"),
    ] {
        let page = world.post("", fields).await;
        assert_eq!(page.status, 422, "{said}");
        assert!(page.body.contains(said) && page.body.contains("role=\"alert\""), "{said}: {}", page.body);
    }
    let pass = world.pass(Channel::Sms, false).await;
    let nothing = world.answer(&pass, "").await;
    assert!(nothing.status == 422 && nothing.body.contains("href=\"#answer-0\""));
}

#[tokio::test]
async fn a_pass_that_is_over_or_made_up_lets_nobody_in() {
    let world = World::new().await;
    let pass = world.pass(Channel::Sms, true).await;
    world.seconds.set(world.seconds.get() + 31 * 60);
    for pass in [pass.as_str(), "", "AAAA"] {
        assert_eq!(world.answer(pass, "opt_out").await.status, 404);
    }
    assert_eq!(world.held().await.wishes().count(), 0);
}

#[tokio::test]
async fn every_page_is_in_the_visitors_language_and_names_the_telephone() {
    let world = World::new().await;
    let link = world.door.key.link(world.text);
    for language in Language::ALL {
        let tag = format!("<html lang=\"{}\" dir=\"{}\">", language.code(), language.direction());
        for path in ["", link.as_str(), "nowhere"] {
            let request = Request { is_post: false, path: path.into(), language, form: HashMap::new() };
            let page = respond(&world.store, &world.door, request, world.now()).await;
            assert!(page.body.contains(&tag) && page.body.contains("<bdi>119</bdi>"), "{path}: {}", page.body);
            assert!(!page.body.contains("<script") && !page.body.contains("style=\""), "{path}");
        }
    }
    let pass = world.pass(Channel::Sms, false).await;
    let done = world.answer(&pass, "bereaved").await;
    assert!(
        done.body.contains("sorry for your loss")
            && !done.body.contains("<form")
            && !done.body.contains("change your mind")
    );
}
