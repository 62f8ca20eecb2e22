//! What people do when they are written to or called, and what booking sites and vaccinators then tell IMS.
//!
//! Everybody has one even draw for each course (campaign and dose): with probability of uptake *p*, those below 0.62 *p* come
//! after the invitation, up to 0.80 *p* (1.29 times as many) after the reminder, and up to *p* if a call reaches them. Part
//! of the last would have come unasked, later, so a call that reaches somebody about doubles the chance. Anchors: dose 1 of
//! COVID-19 vaccine at 70 and over, 93.2 % overall, 67.2 % Black African, 73.8 % Black Caribbean (Nafilyan 2021); odds 0.55
//! between the most and the least deprived (Bucyibaruta 2022); reminders 1.29, telephone 1.75 (Cochrane CD003941).

use ims_domain::invitation::CallOutcome;
use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

use super::columns::{self, INTRAMUSCULAR, LEFT_ARM, ODS_URI, UNIQUE_ID_URI};
use super::draw::{Draw, text_key};
use super::history::{self, Appointment, AppointmentStatus, Dose, Vaccine};
use super::{Geography, Settings, SyntheticPerson};

pub use ims_domain::campaign::Step;

/// A dose that a campaign asks people to come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course<'a> {
    /// The campaign's id.
    pub campaign: &'a str,
    /// Which vaccine.
    pub vaccine: Vaccine,
    /// Which dose, from 1.
    pub dose: u8,
}

/// What a person does after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Response {
    /// Books an appointment this many days after the step.
    pub books_after_days: Option<u32>,
    /// The appointment is this many days after the booking.
    pub appointment_after_days: u32,
    /// Keeps the appointment (false also where there is none).
    pub attends: bool,
    /// Is vaccinated without a booking this many days after the step; the supplier's record says so.
    pub vaccinated_elsewhere_after_days: Option<u32>,
    /// Answers with a wish not to be contacted again.
    pub opts_out: bool,
}

/// The probability that the person has the dose once invited, reminded and reached by a call, in [0, 1].
#[must_use]
pub fn uptake(person: &SyntheticPerson, course: &Course<'_>) -> f64 {
    let white = match course.vaccine {
        Vaccine::Covid => match person.age {
            70.. => 0.946,
            60..=69 => 0.93,
            50..=59 => 0.89,
            40..=49 => 0.82,
            30..=39 => 0.74,
            18..=29 => 0.68,
            12..=17 => 0.52,
            _ => 0.30,
        },
        Vaccine::Flu => match person.age {
            65.. => 0.77,
            50..=64 => 0.52,
            16..=49 if person.has("at_risk") => 0.48,
            2..=15 => 0.50,
            _ => 0.38,
        },
    };
    // Odds of not being vaccinated, as a multiple of White British.
    let against = match person.ethnicity {
        "A" => 1.0,
        "B" => 1.3,
        "C" => 2.2,
        "D" | "E" | "F" | "G" => 2.6,
        "H" => 1.5,
        "J" => 3.1,
        "K" => 2.6,
        "L" | "R" | "S" => 2.1,
        "M" => 5.6,
        "N" => 7.4,
        _ => 5.0,
    };
    let deprived = 0.55f64.powf((5.5 - f64::from(person.imd_decile)) / 9.0);
    let odds = white / (1.0 - white) / against * deprived;
    let first = odds / (1.0 + odds);
    // Those who came once mostly come again.
    if course.dose > 1 { 1.0 - (1.0 - first) * 0.35 } else { first }
}

fn course_draw(settings: &Settings, person: &SyntheticPerson, course: &Course<'_>, purpose: &str) -> Draw {
    let key = text_key(course.campaign) ^ (u64::from(course.dose) << 56);
    Draw::new(settings.seed ^ key, purpose, person.index)
}

/// What the person does after an invitation, a reminder or a call that reached them. Each step is to be asked for once;
/// later steps only of people who have not come by then.
#[must_use]
pub fn response(settings: &Settings, person: &SyntheticPerson, course: &Course<'_>, step: Step) -> Response {
    let p = uptake(person, course);
    let u = course_draw(settings, person, course, "propensity").unit();
    let mut draw = course_draw(settings, person, course, step.name());
    let (from, to) = match step {
        Step::Invite => (0.0, 0.62 * p),
        Step::Reminder => (0.62 * p, 0.80 * p),
        Step::Call => (0.80 * p, p),
    };
    let mut response = Response::default();
    if (from..to).contains(&u) {
        // Half the answers come within three days.
        let after = ((1.0 - draw.unit()).ln() / 0.8f64.ln()).min(12.0) as u32;
        if step == Step::Call || draw.chance(0.8) {
            response.books_after_days = Some(if step == Step::Call { 0 } else { after });
            response.appointment_after_days = 1 + draw.below(9) as u32;
            response.attends = draw.chance(0.95);
        } else {
            response.vaccinated_elsewhere_after_days = Some(2 + after);
        }
    } else if step == Step::Invite && (0.80 * p..0.90 * p).contains(&u) {
        // Would come late and unasked.
        response.vaccinated_elsewhere_after_days = Some(30 + draw.below(40) as u32);
    } else if u > p && draw.chance(0.01) {
        response.opts_out = true;
    }
    response
}

/// What comes of the n-th attempt (from 1) to call the person.
#[must_use]
pub fn call_outcome(settings: &Settings, person: &SyntheticPerson, course: &Course<'_>, attempt: u32) -> CallOutcome {
    let mut lasting = course_draw(settings, person, course, "telephone");
    if lasting.chance(0.03) {
        return CallOutcome::WrongNumber;
    }
    let mut draw = course_draw(settings, person, course, &format!("call {attempt}"));
    let answers = match person.age {
        70.. => 0.62,
        40..=69 => 0.48,
        _ => 0.36,
    };
    if !draw.chance(answers) {
        return CallOutcome::NoAnswer;
    }
    match draw.unit() {
        u if u < 0.002 => return CallOutcome::Bereaved,
        u if u < 0.02 => return CallOutcome::AlreadyVaccinated,
        _ => {}
    }
    match response(settings, person, course, Step::Call).books_after_days {
        Some(_) => CallOutcome::Booked,
        None if draw.chance(0.4) => CallOutcome::WillArrange,
        None => CallOutcome::Declined,
    }
}

/// The dose that the person has at a time (UTC), with an identifier of its own.
#[must_use]
pub fn dose_given(
    settings: &Settings,
    geography: &Geography,
    person: &SyntheticPerson,
    course: &Course<'_>,
    at: DateTime,
) -> Dose {
    let mut draw = course_draw(settings, person, course, "dose given");
    let site = geography.lsoas[person.lsoa].site;
    Dose { at, ..history::dose(&mut draw, course.vaccine, course.dose, at.date(), site) }
}

/// The booking that the person makes (times UTC), with a reference of its own.
#[must_use]
pub fn booking_made(
    settings: &Settings,
    geography: &Geography,
    person: &SyntheticPerson,
    course: &Course<'_>,
    created: DateTime,
    appointment: DateTime,
) -> Appointment {
    let mut draw = course_draw(settings, person, course, "booking made");
    let site = geography.lsoas[person.lsoa].site;
    let status = AppointmentStatus::Booked;
    let held = history::appointment(&mut draw, course.vaccine, appointment.date(), created, status, site);
    Appointment { at: appointment, ..held }
}

/// A booking as an object with the bookings extract's field names; all values are strings.
#[must_use]
pub fn booking(geography: &Geography, person: &SyntheticPerson, held: &Appointment) -> Value {
    let values = columns::booking(geography, person, held);
    Value::Object(
        columns::BOOKINGS
            .into_iter()
            .zip(values)
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect::<Map<_, _>>(),
    )
}

/// `YYYY-MM-DDThh:mm:ss+00:00`.
fn instant(at: DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}+00:00",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// A FHIR R4 Immunization of a dose, as the national API takes it. The identifier is the dose's `unique_id`. A person whose
/// address may not be told has the national code for an unknown one (ZZ99 3WZ).
#[must_use]
pub fn fhir_immunization(geography: &Geography, person: &SyntheticPerson, dose: &Dose) -> Value {
    let product = columns::product(dose.vaccine, dose.number, &dose.batch);
    let site = geography.sites[dose.site].code.as_str();
    let snomed =
        |(code, display): (&str, &str)| json!({"system": "http://snomed.info/sct", "code": code, "display": display});
    json!({
        "resourceType": "Immunization",
        "contained": [
            {"resourceType": "Practitioner", "id": "Pract1", "name": [{"family": "Nightingale", "given": ["Florence"]}]},
            {
                "resourceType": "Patient",
                "id": "Pat1",
                "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": person.nhs_number}],
                "name": [{"family": person.family_name, "given": [person.given_name]}],
                "gender": person.gender.fhir(),
                "birthDate": person.date_of_birth.to_string(),
                "address": [{"postalCode": person.recorded_postcode()}],
            },
        ],
        "extension": [{
            "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-VaccinationProcedure",
            "valueCodeableConcept": {"coding": [snomed(product.procedure)]},
        }],
        "identifier": [{"use": "official", "system": UNIQUE_ID_URI, "value": dose.unique_id}],
        "status": "completed",
        "vaccineCode": {"coding": [snomed(product.product)]},
        "patient": {"reference": "#Pat1"},
        "occurrenceDateTime": instant(dose.at),
        "recorded": instant(dose.at),
        "primarySource": true,
        "manufacturer": {"display": product.manufacturer},
        "location": {"type": "Location", "identifier": {"value": site, "system": ODS_URI}},
        "lotNumber": dose.batch,
        "expirationDate": history::days_from(dose.at.date(), 120).to_string(),
        "site": {"coding": [snomed(LEFT_ARM)]},
        "route": {"coding": [snomed(INTRAMUSCULAR)]},
        "doseQuantity": {"value": 0.5, "unit": "milliliter", "system": "http://unitsofmeasure.org", "code": "ml"},
        "performer": [
            {"actor": {"reference": "#Pract1"}},
            {"actor": {"type": "Organization", "identifier": {"system": ODS_URI, "value": site}}},
        ],
        "reasonCode": [{"coding": [{"code": "443684005", "system": "http://snomed.info/sct"}]}],
        "protocolApplied": [{
            "targetDisease": [{"coding": [snomed(product.disease)]}],
            "doseNumberPositiveInt": dose.number,
        }],
    })
}
