//! One person: who they are, how they can be reached, and their place on the list.

use ims_domain::person::Gender;
use jiff::Span;
use jiff::civil::Date;

use super::draw::{Draw, mix};
use super::england::{self, EthnicGroup};
use super::history::{self, Appointment, AppointmentStatus, Circumstances, Dose, LateChange, Standing};
use super::household::{self, BLOCK, Block};
use super::{Geography, Settings, names, numbers};

/// Where a person lives, as the demographics feed gives it; all blank for a restricted person.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// Lines 1 to 5, blank ones included.
    pub lines: [String; 5],
    /// Postcode.
    pub postcode: String,
    /// Place in [`Geography::lsoas`]; `None` where the person lives nowhere in particular, or it may not be told.
    pub lsoa: Option<usize>,
}

/// A removal from the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Reason, e.g. `EMB`.
    pub reason: &'static str,
    /// Since when.
    pub from: Date,
}

/// A second registration of the same person under another number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondRegistration {
    /// The second NHS number.
    pub nhs_number: String,
    /// Whether the first feed already says that it is superseded.
    pub superseded: bool,
}

/// A made-up person.
#[derive(Debug, Clone, PartialEq)]
pub struct SyntheticPerson {
    /// Index in the population.
    pub index: u64,
    /// NHS number.
    pub nhs_number: String,
    /// A stale second registration.
    pub second: Option<SecondRegistration>,
    /// Given name.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
    /// Date of birth.
    pub date_of_birth: Date,
    /// Years on the business date.
    pub age: u8,
    /// Sex.
    pub gender: Gender,
    /// Ethnic group as it is, recorded or not.
    pub ethnic_group: EthnicGroup,
    /// Ethnic category as it is (A–S).
    pub ethnicity: &'static str,
    /// Ethnic category as recorded (A–S, Z, 99).
    pub ethnic_category: &'static str,
    /// Index of the household's first person.
    pub household: u64,
    /// Place in [`Geography::lsoas`] of the practice and, but for those of no fixed abode, of the home.
    pub lsoa: usize,
    /// Decile of deprivation of that area.
    pub imd_decile: u8,
    /// Address that may be told.
    pub address: Address,
    /// The address before, of people who moved lately.
    pub previous_address: Option<Address>,
    /// Practice code; blank for restricted people.
    pub practice: String,
    /// Landline, or blank.
    pub telephone: String,
    /// Mobile number, or blank.
    pub mobile: String,
    /// Email address, or blank.
    pub email: String,
    /// Preferred language (ISO 639-1) if not English.
    pub language: &'static str,
    /// Needs an interpreter.
    pub interpreter: bool,
    /// Day of death, and whether it is formally registered.
    pub death: Option<(Date, bool)>,
    /// Removal from the list.
    pub removal: Option<Removal>,
    /// The NHS number was invalidated.
    pub invalidated: bool,
    /// The address may be disclosed to nobody.
    pub restricted: bool,
    /// Cohort labels, wishes about contact (`contact_…`) included.
    pub cohorts: Vec<&'static str>,
    /// Doses given before the business date, oldest first.
    pub doses: Vec<Dose>,
    /// Bookings made before the business date.
    pub appointments: Vec<Appointment>,
    /// What changes between selection and release.
    pub late: Option<LateChange>,
}

impl SyntheticPerson {
    /// Whether the person has a cohort label.
    #[must_use]
    pub fn has(&self, label: &str) -> bool {
        self.cohorts.contains(&label)
    }

    /// Whether the person is dead, removed or invalidated.
    #[must_use]
    pub fn is_off_list(&self) -> bool {
        self.death.is_some() || self.removal.is_some() || self.invalidated
    }

    /// The postcode that a vaccination record carries: the known one, or the national code for an unknown address.
    #[must_use]
    pub fn recorded_postcode(&self) -> &str {
        if self.address.postcode.is_empty() { "ZZ99 3WZ" } else { &self.address.postcode }
    }
}

/// Person `i` of the population.
#[must_use]
pub fn person(settings: &Settings, geography: &Geography, i: u64) -> SyntheticPerson {
    person_in(settings, geography, &household::block(settings, geography, i / BLOCK), i)
}

/// A day up to `back` days before the business date.
fn lately(draw: &mut Draw, settings: &Settings, back: u64) -> Date {
    history::days_from(settings.business_date, -1 - draw.below(back) as i64)
}

/// The date of birth of somebody of this age on the business date.
pub(crate) fn birth_date(draw: &mut Draw, settings: &Settings, age: u8) -> Date {
    let latest = settings.business_date.saturating_sub(Span::new().years(i64::from(age)));
    history::days_from(latest, -(draw.below(365) as i64))
}

/// An address that belongs to a household (or to another `key`) in an area.
pub(crate) fn address(settings: &Settings, geography: &Geography, lsoa: usize, key: u64) -> Address {
    let area = &geography.lsoas[lsoa];
    let mut draw = Draw::new(settings.seed, "address", key);
    let street = format!("{} {}", draw.between(1, 140), draw.pick(&names::STREETS));
    let mut lines: [String; 5] = Default::default();
    if draw.chance(0.2) {
        lines[0] = format!("Flat {}", draw.between(1, 24));
        lines[1] = street;
    } else {
        lines[0] = street;
    }
    lines[3] = area.town().to_owned();
    const LETTERS: [&str; 20] =
        ["A", "B", "D", "E", "F", "G", "H", "J", "L", "N", "P", "Q", "R", "S", "T", "U", "W", "X", "Y", "Z"];
    let outcode = geography.sites[area.site].postcode.split(' ').next().unwrap_or_default();
    let postcode = format!("{outcode} {}{}{}", draw.below(10), draw.pick(&LETTERS), draw.pick(&LETTERS));
    Address { lines, postcode, lsoa: Some(lsoa) }
}

/// The address the feed gives people who live nowhere in particular.
pub(crate) fn no_fixed_abode() -> Address {
    Address {
        lines: ["NO FIXED ABODE".to_owned(), String::new(), String::new(), String::new(), String::new()],
        postcode: "ZZ99 3VZ".to_owned(),
        lsoa: None,
    }
}

/// One of two practices near every MSOA, a letter and five digits.
pub(crate) fn practice(geography: &Geography, lsoa: usize, which: u64) -> String {
    let bits = mix(super::draw::text_key(&geography.lsoas[lsoa].msoa) ^ which);
    format!("{}99{:03}", char::from(b'A' + (bits % 16) as u8), (bits >> 8) % 1000)
}

pub(crate) fn person_in(settings: &Settings, geography: &Geography, block: &Block, i: u64) -> SyntheticPerson {
    let member = block.members[(i % BLOCK) as usize];
    let area = &geography.lsoas[block.lsoa];
    let decile = area.imd_decile;
    let certain = history::certain(i);
    let mut draw = Draw::new(settings.seed, "person", i);
    let mut home = Draw::new(settings.seed, "household", member.head);

    let age = match certain {
        Some(LateChange::LeavesRisk) => 45,
        Some(_) => 80 + draw.below(7) as u8,
        None => member.age,
    };
    let date_of_birth = birth_date(&mut draw, settings, age);
    let male = england::is_male(age, draw.unit());
    let gender = match draw.unit() {
        u if u < 0.001 => Gender::Other,
        u if u < 0.002 => Gender::Unknown,
        _ if male => Gender::Male,
        _ => Gender::Female,
    };

    // The household's draw and the person's own are both even, so sharing one keeps the shares of every age.
    let (family, own, alike) = (home.unit(), draw.unit(), draw.chance(0.85));
    let fifth = england::quintile(decile);
    let ethnic_group = england::ethnic_group(area.region_index, fifth, age, if alike { family } else { own });
    let ethnicity = england::ethnic_category(ethnic_group, if alike { home.unit() } else { draw.unit() });
    let ethnic_category = match draw.unit() {
        u if u < 0.03 => "Z",
        u if u < 0.05 => "99",
        _ => ethnicity,
    };
    let given_name = draw.pick(names::given_names(ethnic_group, male)).to_owned();
    let surnames = names::family_names(ethnic_group);
    let family_name = if alike { home.pick(surnames) } else { draw.pick(surnames) }.to_owned();

    let at_risk = match certain {
        Some(LateChange::LeavesRisk) => true,
        _ => draw.chance(england::risk(age, decile)),
    };
    let (mut cohorts, care_home_resident, staff) = memberships(&mut draw, age, at_risk, certain);

    // A place on the list. Those whose late change is certain are on it, but for the one who comes back.
    let uneventful = certain.is_none();
    let death = match age {
        _ if !uneventful => 0.0,
        80.. => 0.10,
        60..=79 => 0.018,
        _ => 0.0012,
    };
    let death = draw.chance(death).then(|| (lately(&mut draw, settings, 700), draw.chance(0.9)));
    let mut removal = None;
    if death.is_none() && uneventful && draw.chance(0.02) {
        let reason = draw.pick(&["EMB", "EMB", "EMB", "SCT", "SCT", "NIT", "ORR", "ORR", "ORR"]);
        removal = Some(Removal { reason, from: lately(&mut draw, settings, 900) });
    } else if certain == Some(LateChange::Returns) {
        removal = Some(Removal { reason: "EMB", from: lately(&mut draw, settings, 900) });
    }
    let invalidated = uneventful && death.is_none() && removal.is_none() && draw.chance(0.001);
    let restricted = uneventful && draw.chance(0.002);
    let roofless = uneventful && !restricted && !care_home_resident && age >= 18 && draw.chance(0.003);
    if uneventful && age >= 18 && draw.chance(0.0015) {
        cohorts.push(ims_domain::person::IN_CUSTODY);
    }
    cohorts.extend(wishes(&mut draw, uneventful));

    let mut place = address(settings, geography, block.lsoa, member.head);
    if care_home_resident {
        // Whole areas share their care homes, so residents live together.
        place = address(settings, geography, block.lsoa, mix(block.lsoa as u64 ^ 0xCA4E));
        let street = std::mem::replace(&mut place.lines[0], names::CARE_HOMES[block.lsoa % 6].to_owned());
        place.lines[2] = std::mem::replace(&mut place.lines[1], street);
    } else if roofless {
        place = no_fixed_abode();
    } else if restricted {
        place = Address::default();
    }
    let moved = !restricted && !roofless && !care_home_resident && draw.chance(0.02);
    let previous_address = moved.then(|| address(settings, geography, geography.draw(draw.unit()), mix(i ^ 0x01D)));

    let reach = if restricted {
        Reach::default()
    } else {
        let certain = certain == Some(LateChange::LosesContact);
        reach(&mut draw, &mut home, age, roofless, certain, (i, member.head))
    };
    let foreign = draw.chance(if ethnic_group == EthnicGroup::White { 0.012 } else { 0.08 });
    let language = if foreign { draw.pick(names::languages(ethnic_group)) } else { "" };
    let interpreter = foreign && draw.chance(0.5);
    let practice = if restricted { String::new() } else { practice(geography, block.lsoa, member.head % 2) };

    let second = (!restricted && i % 40 == 17 && matches!(certain, None | Some(LateChange::Merged)) && death.is_none())
        .then(|| SecondRegistration {
            nhs_number: numbers::second_number(i / 40),
            superseded: certain != Some(LateChange::Merged) && draw.chance(0.85),
        });

    let who = Circumstances {
        age,
        at_risk,
        care_home_resident,
        staff,
        second_number: second.is_some(),
        site: area.site,
        certain,
    };
    let mut past = Draw::new(settings.seed, "history", i);
    let mut doses = history::doses(&mut past, settings, &who);
    if let Some((died, _)) = death {
        doses.retain(|dose| dose.at.date() < died);
    }
    let mut appointments = history::appointments(&mut past, settings, &who, &doses);
    if death.is_some() || removal.is_some() || invalidated || restricted {
        appointments.clear();
    }
    let standing = Standing {
        removed: removal.is_some(),
        off_list: death.is_some() || invalidated,
        restricted,
        at_risk,
        booked: appointments.iter().any(|held| held.status == AppointmentStatus::Booked),
        recent_dose: doses.last().is_some_and(|dose| history::days_from(dose.at.date(), 90) > settings.business_date),
        second_number: second.as_ref().is_some_and(|second| !second.superseded),
        covid_doses: doses.iter().filter(|dose| dose.vaccine == history::Vaccine::Covid).count(),
    };
    let late = certain.or_else(|| history::late_change(&mut Draw::new(settings.seed, "late", i), &standing));

    SyntheticPerson {
        index: i,
        nhs_number: numbers::nhs_number(i),
        second,
        given_name,
        family_name,
        date_of_birth,
        age,
        gender,
        ethnic_group,
        ethnicity,
        ethnic_category,
        household: member.head,
        lsoa: block.lsoa,
        imd_decile: decile,
        address: place,
        previous_address,
        practice,
        telephone: reach.telephone,
        mobile: reach.mobile,
        email: reach.email,
        language,
        interpreter,
        death,
        removal,
        invalidated,
        restricted,
        cohorts,
        doses,
        appointments,
        late,
    }
}

/// Cohort labels but for wishes, and whether the person lives in a care home and works in health or care.
fn memberships(
    draw: &mut Draw,
    age: u8,
    at_risk: bool,
    certain: Option<LateChange>,
) -> (Vec<&'static str>, bool, bool) {
    let mut cohorts = Vec::new();
    if at_risk {
        cohorts.push("at_risk");
        if draw.chance(0.16) && certain != Some(LateChange::LeavesRisk) {
            cohorts.push("clinically_extremely_vulnerable");
        }
    }
    if certain.is_some() {
        return (cohorts, false, false);
    }
    let resident = match age {
        65..=74 => 0.005,
        75..=84 => 0.025,
        85.. => 0.13,
        _ => 0.0,
    };
    if draw.chance(resident) {
        cohorts.push("care_home_residents");
        return (cohorts, true, false);
    }
    let label = match draw.unit() {
        u if u < 0.021 && (18..=66).contains(&age) => "care_home_staff",
        u if u < 0.11 && (18..=66).contains(&age) => "health_social_care_staff",
        u if u > 0.965 && (16..=85).contains(&age) => "carers",
        _ => return (cohorts, false, false),
    };
    cohorts.push(label);
    (cohorts, false, label != "carers")
}

/// Wishes about contact; none where the late change is certain, so that it is the only reason.
fn wishes(draw: &mut Draw, uneventful: bool) -> Vec<&'static str> {
    let shares = [
        ("contact_opt_out_all", 0.004),
        ("contact_opt_out_flu", 0.008),
        ("contact_opt_out_covid", 0.008),
        ("contact_no_text", 0.015),
        ("contact_no_telephone", 0.015),
    ];
    shares.into_iter().filter(|(_, share)| draw.chance(*share) && uneventful).map(|(label, _)| label).collect()
}

#[derive(Default)]
struct Reach {
    telephone: String,
    mobile: String,
    email: String,
}

/// How somebody can be reached; `people` are the person and the household's first person. A mobile may be made certain.
fn reach(draw: &mut Draw, home: &mut Draw, age: u8, roofless: bool, certain: bool, people: (u64, u64)) -> Reach {
    let (i, head) = people;
    let has_mobile = match age {
        _ if certain => 1.0,
        _ if roofless => 0.4,
        0..=15 => 0.0,
        16..=64 => 0.93,
        65..=79 => 0.82,
        _ => 0.55,
    };
    let mut reach = Reach::default();
    if draw.chance(has_mobile) {
        reach.mobile = numbers::mobile(if draw.chance(0.05) { head } else { i });
    }
    if home.chance(if age >= 65 { 0.85 } else { 0.45 }) && !roofless {
        reach.telephone = numbers::landline(head);
    }
    if draw.chance(if age < 16 { 0.0 } else { 0.6 }) {
        reach.email = format!("person{i}@example.org");
    }
    reach
}
