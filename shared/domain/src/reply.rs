//! What people answer to a message, and how they are let in to do so: by the link in a text, or by the code in a letter.
//!
//! A link and a code stand for one message. Both are made from the message's id with a secret key, and tell nothing by
//! themselves. Whoever opens one may stop contact; only whoever also knows the date of birth is told anything, or may
//! state a wish.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use uuid::Uuid;

use crate::contact::Channel;
use crate::details::{Detail, Origin, Statement};
use crate::invitation::Message;
use crate::person::{Death, Membership};
use crate::record::Change;
use crate::{MessageId, Person, VaccineType};

/// Who says what is answered, in cohort memberships.
pub const SOURCE: &str = "citizen-reply";

/// Label of a wish: the number that was texted is not the person's.
const WRONG_NUMBER: &str = "contact_wrong_number";
/// Label of a wish: the address that was written to is not the person's, or no longer.
const WRONG_ADDRESS: &str = "contact_wrong_address";
/// Label of a wish: no message of any programme.
const OPT_OUT_ALL: &str = "contact_opt_out_all";

/// Label of a wish: no message of this programme.
fn opt_out(programme: VaccineType) -> String {
    format!("contact_opt_out_{}", programme.code().to_lowercase())
}

/// Label of what a person says: had this programme's vaccine elsewhere.
fn elsewhere(programme: VaccineType) -> String {
    format!("contact_vaccinated_{}", programme.code().to_lowercase())
}

/// How a person wishes letters to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WishedFormat {
    /// As everybody's.
    Standard,
    /// In large print.
    LargePrint,
    /// In short sentences.
    EasyRead,
    /// In Braille.
    Braille,
    /// As a recording.
    Audio,
}

impl WishedFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Standard, Self::LargePrint, Self::EasyRead, Self::Braille, Self::Audio];

    /// The name in forms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::LargePrint => "large_print",
            Self::EasyRead => "easy_read",
            Self::Braille => "braille",
            Self::Audio => "audio",
        }
    }
}

/// Languages that may be wished for, as ISO 639-1 codes.
pub const LANGUAGES: [&str; 10] = ["en", "cy", "ar", "bn", "pa", "pl", "pt", "ro", "tr", "ur"];

/// What somebody answers to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// No more messages of the message's programme.
    OptOut,
    /// No more messages at all.
    OptOutAll,
    /// Messages again: of every programme, as if nothing had been answered.
    Resume,
    /// The message reached somebody else.
    WrongPerson,
    /// The person has moved.
    Moved,
    /// The person has died.
    Bereaved,
    /// The person had the vaccine elsewhere or abroad.
    VaccinatedElsewhere,
    /// The person wishes to be written to in this of [`LANGUAGES`].
    Language(&'static str),
    /// The person wishes for letters made so.
    Format(WishedFormat),
}

impl Answer {
    /// Whether it stops contact and tells or promises nothing, so that whoever holds the message may give it.
    #[must_use]
    pub fn needs_no_proof(&self, channel: Channel) -> bool {
        match self {
            Self::WrongPerson | Self::Moved | Self::Bereaved => true,
            // Whoever holds the telephone may have texts to it stopped; letters are opened by others, too.
            Self::OptOutAll => channel == Channel::Sms,
            _ => false,
        }
    }

    /// The name used in the audit trail.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::OptOut => "opt_out",
            Self::OptOutAll => "opt_out_all",
            Self::Resume => "resume",
            Self::WrongPerson => "wrong_person",
            Self::Moved => "moved",
            Self::Bereaved => "bereaved",
            Self::VaccinatedElsewhere => "vaccinated_elsewhere",
            Self::Language(_) => "language",
            Self::Format(_) => "format",
        }
    }

    /// What it changes of the person whom the message is to, said at a business time; nothing where that is so already.
    /// A death is not among it: see [`Person::report_death`].
    #[must_use]
    pub fn changes(&self, person: &Person, message: &Message, said: &Said) -> Vec<Change> {
        let programme = message.programme;
        let wish = |label: &str, member: bool| said.wish(person, label.to_owned(), member);
        match self {
            Self::OptOut => wish(&opt_out(programme), true).into_iter().collect(),
            Self::OptOutAll => wish(OPT_OUT_ALL, true).into_iter().collect(),
            Self::VaccinatedElsewhere => wish(&elsewhere(programme), true).into_iter().collect(),
            Self::Moved => wish(WRONG_ADDRESS, true).into_iter().collect(),
            Self::WrongPerson => match message.channel {
                Channel::Sms => wish(WRONG_NUMBER, true).into_iter().collect(),
                _ => wish(WRONG_ADDRESS, true).into_iter().collect(),
            },
            Self::Resume => {
                let held: Vec<&str> = person.cohorts.keys().map(String::as_str).collect();
                let ends = |label: &&&str| {
                    **label == OPT_OUT_ALL
                        || [WRONG_NUMBER, WRONG_ADDRESS].contains(*label)
                        || label.starts_with("contact_opt_out_")
                        || label.starts_with("contact_vaccinated_")
                };
                held.iter().filter(ends).filter_map(|label| wish(label, false)).collect()
            }
            Self::Format(format) => {
                let others = WishedFormat::ALL.into_iter().filter(|other| *other != WishedFormat::Standard);
                others.filter_map(|other| wish(&format!("contact_{}", other.name()), other == *format)).collect()
            }
            Self::Language(language) if person.demographics.language == *language => Vec::new(),
            Self::Language(language) => vec![Change::Detail {
                detail: Detail::Language,
                origin: Origin::Person,
                said: Statement {
                    value: (*language).to_owned(),
                    changed: said.business.clone(),
                    order: said.order.clone(),
                },
            }],
            Self::Bereaved => Vec::new(),
        }
    }
}

/// When something was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Business day.
    day: Date,
    /// Business time, `YYYYMMDDThhmmss`, UTC.
    business: String,
    /// By which what was said at one business time is ordered.
    order: String,
}

impl Said {
    /// On a business day and time; the system time orders answers that a clock which is set makes simultaneous.
    #[must_use]
    pub fn at(day: Date, business: Timestamp, system: Timestamp) -> Self {
        let business = business.strftime("%Y%m%dT%H%M%S").to_string();
        let order = format!("{business}#{:015}", system.as_millisecond());
        Self { day, business, order }
    }

    /// A wish taken up or taken back; `None` where the person holds it so already.
    fn wish(&self, person: &Person, label: String, member: bool) -> Option<Change> {
        let held = person.cohorts.get(&label).is_some_and(|held| held.member);
        let membership = Membership { member, date: self.day, order: self.order.clone(), source: SOURCE.to_owned() };
        // What was said on an earlier day counts as said then: the day is part of it.
        let again = held && person.cohorts.get(&label).is_some_and(|held| held.date == self.day);
        let changes = if member { !again } else { held };
        changes.then_some(Change::Membership { label, membership })
    }
}

impl Person {
    /// Notes that somebody says the person has died, until a newer row of the demographics feed says otherwise. False where
    /// a death is known already.
    pub fn report_death(&mut self) -> bool {
        let news = self.death().is_none();
        if news {
            self.states.dead = Some(Death { date: None, formal: false });
        }
        news
    }

    /// Whether somebody answered that the person's number is not theirs, since the demographics feed last said anything.
    #[must_use]
    pub fn number_is_disowned(&self) -> bool {
        self.is_disowned(WRONG_NUMBER)
    }

    /// Whether somebody answered that the person's address is not theirs, or no longer, since the demographics feed last
    /// said anything.
    #[must_use]
    pub fn address_is_disowned(&self) -> bool {
        self.is_disowned(WRONG_ADDRESS)
    }

    fn is_disowned(&self, label: &str) -> bool {
        // The feed's time is `YYYYMMDDThhmmss`; of a day without time the answer was the later word.
        let heard = self.demographics.changed.get(..8).unwrap_or_default();
        self.cohorts.get(label).is_some_and(|said| said.member && *heard <= *crate::clock::compact(said.date))
    }

    /// Whether the person answered, on a day or later, to have had a programme's vaccine elsewhere.
    #[must_use]
    pub fn says_vaccinated(&self, programme: VaccineType, since: Date) -> bool {
        self.cohorts.get(&elsewhere(programme)).is_some_and(|said| said.member && said.date >= since)
    }
}

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the reply key has {0} bytes; at least 32 are needed")]
pub struct ShortKey(usize);

/// The secret by which links and codes are made and known again.
#[derive(Clone)]
pub struct ReplyKey(Vec<u8>);

impl fmt::Debug for ReplyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyKey")
    }
}

/// Bytes of an id.
const ID: usize = 16;
/// Bytes of a link's seal: a guess is right once in 2⁶⁴, and is asked of the service each time.
const LINK_SEAL: usize = 8;
/// Bytes of a pass's seal.
const PASS_SEAL: usize = 16;

impl ReplyKey {
    /// From a secret of at least 32 bytes.
    ///
    /// # Errors
    /// Where it is shorter.
    pub fn new(secret: &[u8]) -> Result<Self, ShortKey> {
        if secret.len() < 32 { Err(ShortKey(secret.len())) } else { Ok(Self(secret.to_vec())) }
    }

    fn mac(&self, purpose: &str, of: &[u8]) -> Option<Hmac<Sha256>> {
        // A key of any length can be used, so there always is one.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(of);
        Some(mac)
    }

    fn seal(&self, purpose: &str, of: &[u8]) -> [u8; 32] {
        self.mac(purpose, of).map_or([0; 32], |mac| mac.finalize().into_bytes().into())
    }

    /// Whether bytes are followed by the seal that they would get; takes as long for a nearly right one as for any other.
    fn is_sealed(&self, purpose: &str, of: &[u8], seal: &[u8]) -> bool {
        self.mac(purpose, of).is_some_and(|mac| mac.verify_truncated_left(seal).is_ok())
    }

    /// What a link to a message's page ends with: 32 characters.
    #[must_use]
    pub fn link(&self, message: MessageId) -> String {
        let id = message.0.as_bytes();
        URL_SAFE_NO_PAD.encode([&id[..], &self.seal("link", id)[..LINK_SEAL]].concat())
    }

    /// The message that a link stands for; `None` where this key did not make it.
    #[must_use]
    pub fn open(&self, link: &str) -> Option<MessageId> {
        let bytes = URL_SAFE_NO_PAD.decode(link).ok().filter(|bytes| bytes.len() == ID + LINK_SEAL)?;
        let (id, seal) = bytes.split_at(ID);
        self.is_sealed("link", id, seal).then(|| Uuid::from_slice(id).ok().map(MessageId)).flatten()
    }

    /// The code that a letter shows. Which message it stands for is looked up where it was noted.
    #[must_use]
    pub fn code(&self, message: MessageId) -> Code {
        let seal = self.seal("code", message.0.as_bytes());
        Code::of(seal.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A pass as a form carries it from page to page.
    #[must_use]
    pub fn pass(&self, pass: &Pass) -> String {
        let until = pass.until.as_second().to_be_bytes();
        let body = [&pass.message.0.as_bytes()[..], &until, &[u8::from(pass.is_plausible)]].concat();
        URL_SAFE_NO_PAD.encode([&body[..], &self.seal("pass", &body)[..PASS_SEAL]].concat())
    }

    /// A pass that this key made and whose time is not over.
    #[must_use]
    pub fn read_pass(&self, text: &str, now: Timestamp) -> Option<Pass> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == ID + 9 + PASS_SEAL)?;
        let (body, seal) = bytes.split_at(ID + 9);
        if !self.is_sealed("pass", body, seal) {
            return None;
        }
        let until = Timestamp::from_second(i64::from_be_bytes(body[ID..ID + 8].try_into().ok()?)).ok()?;
        let message = MessageId(Uuid::from_slice(&body[..ID]).ok()?);
        Some(Pass { message, is_plausible: body[ID + 8] == 1, until }).filter(|pass| now < pass.until)
    }
}

/// What somebody showed so far: a message's link or code, and perhaps the date of birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// The message.
    pub message: MessageId,
    /// Whether the date of birth was given, too.
    pub is_plausible: bool,
    /// Until when it lets in.
    pub until: Timestamp,
}

impl Pass {
    /// How long a pass lets in.
    pub const LASTS: SignedDuration = SignedDuration::from_mins(30);
}

/// Digits and letters of codes: none that are taken for one another (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters of a code: 60 bits.
const LENGTH: usize = 12;

/// The code that a letter shows, such as `7K2M-94PT-XW0C`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code([u8; LENGTH]);

/// What somebody typed is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a code has 12 letters and digits")]
pub struct NotACode;

impl Code {
    fn of(number: u64) -> Self {
        let letter = |place: usize| LETTERS[(number >> (5 * (LENGTH - 1 - place)) & 31) as usize];
        Self(std::array::from_fn(letter))
    }

    /// As keys have it, without hyphens.
    #[must_use]
    pub fn plain(&self) -> String {
        self.0.iter().copied().map(char::from).collect()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.plain();
        write!(f, "{}-{}-{}", &text[..4], &text[4..8], &text[8..])
    }
}

impl FromStr for Code {
    type Err = NotACode;

    /// As people type it: spaces and hyphens anywhere, small letters, O for 0, I and L for 1.
    fn from_str(typed: &str) -> Result<Self, NotACode> {
        let letters = typed.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').take(LENGTH + 1);
        let read = letters.map(|letter| {
            let letter = match letter.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            u8::try_from(letter).ok().filter(|letter| LETTERS.contains(letter))
        });
        let read: Vec<u8> = read.collect::<Option<_>>().ok_or(NotACode)?;
        read.try_into().map(Self).map_err(|_| NotACode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PersonId;
    use crate::campaign::{ContactPlan, Step};
    use crate::contact::{Reason, channel, may_telephone, suppression};
    use crate::invitation::MessageState;
    use crate::record::Record;
    use jiff::civil::date;

    const TODAY: Date = date(2025, 10, 20);

    fn key() -> ReplyKey {
        ReplyKey::new(&[7; 32]).unwrap()
    }

    fn id(number: u128) -> MessageId {
        MessageId(Uuid::from_u128(number))
    }

    fn message(channel: Channel) -> Message {
        Message {
            id: id(9),
            person: PersonId(Uuid::from_u128(1)),
            campaign: "flu-2025".into(),
            programme: "FLU".parse().unwrap(),
            dose: 1,
            wave: "w1".into(),
            step: Step::Invite,
            channel,
            state: MessageState::Sent,
            detail: None,
            attempt: 1,
            queued_on: TODAY,
            sent_on: Some(TODAY),
            claimed_at: None,
            provider: None,
            provider_id: None,
            batch: None,
            version: 1,
        }
    }

    fn plan(count_doses_from: Date) -> ContactPlan {
        ContactPlan {
            schema: 1,
            campaign: "flu-2025".into(),
            programme: "FLU".parse().unwrap(),
            count_doses_from,
            doses: 1,
            dose_schedule: None,
            steps: vec![],
            waves: vec![],
            quiet_days: vec![],
        }
    }

    fn person() -> Person {
        let mut person = Person::new(PersonId(Uuid::from_u128(1)), None);
        person.demographics.date_of_birth = Some(date(1950, 1, 1));
        person.demographics.changed = "20251001T030000".into();
        person.demographics.mobile = "07700900123".into();
        person.demographics.address_lines = vec!["1 Test Row".into()];
        person.demographics.postcode = "CB3 8DX".into();
        person
    }

    fn said(second: i64) -> Said {
        let at = Timestamp::from_second(1_760_000_000 + second).unwrap();
        // The business clock of a sandbox stands still.
        Said::at(TODAY, "2025-10-20T08:00:00Z".parse().unwrap(), at)
    }

    fn answered(person: &Person, answer: &Answer, by: Channel, second: i64) -> Person {
        let mut record = Record::new(person.clone());
        for change in answer.changes(person, &message(by), &said(second)) {
            record.apply(&change);
        }
        if *answer == Answer::Bereaved {
            record.person.report_death();
        }
        record.person
    }

    fn stopped(person: &Person) -> Option<Reason> {
        suppression(person, &plan(date(2025, 9, 1)), 1, TODAY, true)
    }

    #[test]
    fn an_answer_stops_what_it_says_and_saying_it_twice_changes_nothing() {
        for (answer, by, reason, reached_by) in [
            (Answer::OptOut, Channel::Sms, Some(Reason::OptedOut), Some(Channel::Sms)),
            (Answer::OptOutAll, Channel::Sms, Some(Reason::OptedOut), Some(Channel::Sms)),
            (Answer::Bereaved, Channel::Letter, Some(Reason::Dead), Some(Channel::Sms)),
            (Answer::VaccinatedElsewhere, Channel::Sms, Some(Reason::SaysVaccinated), Some(Channel::Sms)),
            // A text to a stranger: the post is left. A letter to a stranger, or after a move: texts are.
            (Answer::WrongPerson, Channel::Sms, None, Some(Channel::Letter)),
            (Answer::WrongPerson, Channel::Letter, None, Some(Channel::Sms)),
            (Answer::Moved, Channel::Sms, None, Some(Channel::Sms)),
            (Answer::Language("cy"), Channel::Sms, None, Some(Channel::Sms)),
            (Answer::Format(WishedFormat::Braille), Channel::Sms, None, Some(Channel::Sms)),
        ] {
            let once = answered(&person(), &answer, by, 1);
            assert_ne!(once, person(), "{answer:?}");
            assert_eq!((stopped(&once), channel(&once, TODAY)), (reason, reached_by), "{answer:?} by {by:?}");
            assert_eq!(answered(&once, &answer, by, 2), once, "{answer:?} again");
        }
        let both =
            answered(&answered(&person(), &Answer::WrongPerson, Channel::Sms, 1), &Answer::Moved, Channel::Sms, 2);
        assert_eq!(stopped(&both), Some(Reason::NoContactRoute));
        assert!(!may_telephone(&answered(&person(), &Answer::WrongPerson, Channel::Sms, 1)), "the same number");
    }

    #[test]
    fn newer_demographics_bring_a_number_and_an_address_back() {
        let moved = answered(&person(), &Answer::Moved, Channel::Letter, 1);
        assert!(!moved.has_postal_address());
        let mut heard = moved.clone();
        heard.demographics.changed = "20251020T230000".into();
        assert!(!heard.has_postal_address(), "of the same day the answer is believed");
        heard.demographics.changed = "20251021T030000".into();
        assert!(heard.has_postal_address());
    }

    #[test]
    fn what_was_said_in_an_earlier_season_does_not_stop_the_next() {
        let said = answered(&person(), &Answer::VaccinatedElsewhere, Channel::Sms, 1);
        let next = plan(date(2026, 9, 1));
        assert_eq!(suppression(&said, &next, 1, date(2026, 10, 5), true), None);
        assert_eq!(
            suppression(&answered(&person(), &Answer::OptOut, Channel::Sms, 1), &next, 1, TODAY, true),
            Some(Reason::OptedOut)
        );
    }

    #[test]
    fn whoever_wants_messages_again_gets_them_even_in_the_same_second_of_a_set_clock() {
        let mut out = person();
        for (answer, second) in
            [(Answer::OptOut, 1), (Answer::OptOutAll, 2), (Answer::VaccinatedElsewhere, 3), (Answer::Moved, 4)]
        {
            out = answered(&out, &answer, Channel::Sms, second);
        }
        let back = answered(&out, &Answer::Resume, Channel::Sms, 5);
        assert_eq!((stopped(&back), back.has_postal_address()), (None, true));
        assert_eq!(stopped(&answered(&back, &Answer::OptOut, Channel::Sms, 6)), Some(Reason::OptedOut));
        // A list of theirs that has not to do with answers stays.
        let mut listed = back.clone();
        let held = Membership { member: true, date: TODAY, order: String::new(), source: "list".into() };
        listed.cohorts.insert("contact_no_text".into(), held);
        assert!(answered(&listed, &Answer::Resume, Channel::Sms, 7).in_cohort("contact_no_text"));
    }

    #[test]
    fn one_format_takes_the_place_of_another() {
        let large = answered(&person(), &Answer::Format(WishedFormat::LargePrint), Channel::Letter, 1);
        let braille = answered(&large, &Answer::Format(WishedFormat::Braille), Channel::Letter, 2);
        assert_eq!(braille.wishes().collect::<Vec<_>>(), ["contact_braille"]);
        let standard = answered(&braille, &Answer::Format(WishedFormat::Standard), Channel::Letter, 3);
        assert_eq!(standard.wishes().count(), 0);
    }

    #[test]
    fn only_answers_that_stop_contact_need_no_proof() {
        let proof = |answer: Answer, by| !answer.needs_no_proof(by);
        for by in [Channel::Sms, Channel::Letter] {
            assert!(!proof(Answer::Bereaved, by) && !proof(Answer::WrongPerson, by) && !proof(Answer::Moved, by));
            assert!(proof(Answer::OptOut, by) && proof(Answer::Resume, by) && proof(Answer::Language("cy"), by));
            assert!(proof(Answer::VaccinatedElsewhere, by) && proof(Answer::Format(WishedFormat::Audio), by));
        }
        assert!(proof(Answer::OptOutAll, Channel::Letter) && !proof(Answer::OptOutAll, Channel::Sms));
    }

    #[test]
    fn a_link_opens_its_message_and_no_other_is_taken() {
        let link = key().link(id(5));
        assert_eq!((link.len(), key().open(&link)), (32, Some(id(5))));
        assert_eq!(ReplyKey::new(&[8; 32]).unwrap().open(&link), None, "another key");
        let mut bytes = URL_SAFE_NO_PAD.decode(&link).unwrap();
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            assert_eq!(key().open(&URL_SAFE_NO_PAD.encode(&bytes)), None, "byte {place}");
            bytes[place] ^= 1;
        }
        for other in ["", "x", &link[..31], &format!("{link}A"), "Ä"] {
            assert_eq!(key().open(other), None, "{other}");
        }
        assert_eq!(ReplyKey::new(&[7; 31]).map(drop), Err(ShortKey(31)));
    }

    #[test]
    fn a_pass_ends_and_cannot_be_made_to_say_more() {
        let now: Timestamp = "2025-10-20T08:00:00Z".parse().unwrap();
        let pass = Pass { message: id(5), is_plausible: false, until: now + Pass::LASTS };
        let text = key().pass(&pass);
        assert_eq!(key().read_pass(&text, now), Some(pass));
        assert_eq!(key().read_pass(&text, pass.until), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        bytes[ID + 8] = 1;
        assert_eq!(key().read_pass(&URL_SAFE_NO_PAD.encode(&bytes), now), None);
        assert_eq!(key().read_pass(&key().link(id(5)), now), None, "a link is no pass");
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = key().code(id(5));
        let shown = code.to_string();
        assert_eq!((shown.len(), shown.matches('-').count(), shown.parse()), (14, 2, Ok(code)));
        assert_ne!(code, key().code(id(6)));
        let read = |typed: &str| typed.parse::<Code>().map(|code| code.to_string());
        assert_eq!(read(" o1il abcd-2345 "), Ok("0111-ABCD-2345".to_owned()));
        for wrong in ["", "0111-ABCD-234", "0111-ABCD-23456", "0111-ABCU-2345", "0111-ABCÉ-2345"] {
            assert_eq!(read(wrong), Err(NotACode), "{wrong}");
        }
        assert_eq!(Code::of(0).to_string(), "0000-0000-0000");
        assert_eq!(Code::of(u64::MAX).to_string(), "ZZZZ-ZZZZ-ZZZZ");
        assert_eq!(Code::of(33).to_string(), "0000-0000-0011");
    }
}
