//! The people dataset: one row a person, all that rules and reports need, no name and no address.

use ims_domain::campaign::ContactPlan;
use ims_domain::person::{Invite, ProgrammeSummary};
use ims_domain::{Person, VaccineType, contact, postcode};
use jiff::civil::Date;

use crate::column::Access;
use crate::{Column, Row, day, flag, lot, number, text, texts};

/// Programmes that have columns of their own: those for which campaigns can be written.
pub const PROGRAMMES: [&str; 4] = ["COVID", "FLU", "MMR", "RSV"];

/// A programme's columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProgrammeColumns {
    /// Days on which a dose was given.
    pub dose_dates: Vec<Date>,
    /// Day of the latest appointment that stands.
    pub booked: Option<Date>,
    /// Who holds it.
    pub booking_provider: String,
    /// Day of the latest appointment that was not cancelled.
    pub appointment: Option<Date>,
    /// Invitations: `campaign#dose#date#open` or `…#suppressed`.
    pub invites: Vec<String>,
}

/// A person in the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonRow {
    /// Internal id.
    pub person_id: String,
    /// Version of the person.
    pub version: u64,
    /// NHS number, where known.
    pub nhs_number: String,
    /// Date of birth.
    pub date_of_birth: Option<Date>,
    /// 1 male, 2 female, 9 other, 0 unknown.
    pub gender: String,
    /// Postcode.
    pub postcode: String,
    /// LSOA.
    pub lsoa: String,
    /// MSOA.
    pub msoa: String,
    /// Sub-ICB.
    pub sub_icb: String,
    /// ICB.
    pub icb: String,
    /// Region.
    pub region: String,
    /// Deprivation decile.
    pub imd_decile: u64,
    /// Ethnic category.
    pub ethnic_category: String,
    /// Practice.
    pub practice: String,
    /// Died.
    pub dead: bool,
    /// Removed from registration.
    pub removed: bool,
    /// Number superseded.
    pub superseded: bool,
    /// Number invalidated.
    pub invalidated: bool,
    /// Address restricted.
    pub restricted: bool,
    /// May be texted.
    pub has_mobile: bool,
    /// May be telephoned.
    pub has_telephone: bool,
    /// May be written to.
    pub has_address: bool,
    /// Cohorts.
    pub cohorts: Vec<String>,
    /// Wishes about contact.
    pub wishes: Vec<String>,
    /// Tie-breaker.
    pub lot: u64,
    /// Columns of each of [`PROGRAMMES`].
    pub programmes: [ProgrammeColumns; PROGRAMMES.len()],
}

impl PersonRow {
    /// A person's row. A restricted person's postcode and small areas stay out of it.
    #[must_use]
    pub fn of(person: &Person) -> Self {
        let demographics = &person.demographics;
        let restricted = person.is_restricted();
        let shown = |text: &str| if restricted { String::new() } else { text.to_owned() };
        Self {
            person_id: person.id.to_string(),
            version: person.version,
            nhs_number: person.nhs_number.map(|number| number.to_string()).unwrap_or_default(),
            date_of_birth: demographics.date_of_birth,
            gender: demographics.gender.code().to_owned(),
            postcode: shown(&postcode::normalise(&demographics.postcode)),
            lsoa: shown(&demographics.lsoa),
            msoa: shown(&demographics.msoa),
            sub_icb: shown(&demographics.sub_icb),
            icb: shown(&demographics.icb),
            region: shown(&demographics.region),
            imd_decile: if restricted { 0 } else { u64::from(demographics.imd_decile) },
            ethnic_category: demographics.ethnic_category.clone(),
            practice: shown(&demographics.practice),
            dead: person.death().is_some(),
            removed: person.states.removed.is_some(),
            superseded: person.states.superseded_by.is_some(),
            invalidated: person.states.invalidated,
            restricted,
            has_mobile: !restricted && !demographics.mobile.is_empty() && !person.texts_fail(),
            has_telephone: contact::may_telephone(person),
            has_address: person.has_postal_address(),
            cohorts: person.cohort_labels().map(str::to_owned).collect(),
            wishes: person.wishes().map(str::to_owned).collect(),
            lot: lot(person.id),
            programmes: PROGRAMMES.map(|code| {
                code.parse::<VaccineType>()
                    .map(|programme| columns_of(&person.programme(programme)))
                    .unwrap_or_default()
            }),
        }
    }

    /// A programme's columns.
    #[must_use]
    pub fn programme(&self, programme: VaccineType) -> Option<&ProgrammeColumns> {
        let index = PROGRAMMES.iter().position(|code| *code == programme.code())?;
        self.programmes.get(index)
    }

    /// The dose of a plan that the person would have next, from 1.
    #[must_use]
    pub fn next_dose(&self, plan: &ContactPlan) -> u8 {
        let history = self.programme(plan.programme);
        history.map_or(0, |history| plan.count_valid(&history.dose_dates, self.date_of_birth)).saturating_add(1)
    }

    /// Whether the person has left the list: dead, removed, superseded or invalidated.
    #[must_use]
    pub fn is_off_list(&self) -> bool {
        self.dead || self.removed || self.superseded || self.invalidated
    }
}

impl ProgrammeColumns {
    /// Doses on or after a day.
    #[must_use]
    pub fn doses_since(&self, from: Date) -> u8 {
        u8::try_from(self.dose_dates.iter().filter(|day| **day >= from).count()).unwrap_or(u8::MAX)
    }

    /// Whether an invitation for this dose of the campaign was opened.
    #[must_use]
    pub fn is_invited(&self, campaign: &str, dose: u8) -> bool {
        let prefix = format!("{campaign}#{dose}#");
        self.invites.iter().any(|invite| invite.starts_with(&prefix) && invite.ends_with("#open"))
    }

    /// Day of the latest invitation that was opened.
    #[must_use]
    pub fn last_invite(&self) -> Option<Date> {
        let day = |invite: &String| {
            let mut parts = invite.rsplit('#');
            (parts.next() == Some("open")).then(|| parts.next()?.parse().ok()).flatten()
        };
        self.invites.iter().filter_map(day).max()
    }
}

fn columns_of(summary: &ProgrammeSummary) -> ProgrammeColumns {
    let text = |invite: &Invite| {
        let state = if invite.opened { "open" } else { "suppressed" };
        format!("{}#{}#{}#{state}", invite.campaign, invite.dose, invite.date)
    };
    ProgrammeColumns {
        dose_dates: summary.doses.clone(),
        booked: summary.booked,
        booking_provider: summary.booking_provider.clone(),
        appointment: summary.appointment,
        invites: summary.invites.iter().map(text).collect(),
    }
}

impl Row for PersonRow {
    const DATASET: &'static str = "people";
    const KEEPS_TAKEN: bool = true;

    fn columns() -> Vec<Column<Self>> {
        let mut columns = vec![
            text!("person_id", "internal id, random", person_id),
            number!("version", "version of the person", version),
            text!("nhs_number", "NHS number; null where not known", nhs_number),
            day!("date_of_birth", "date of birth", date_of_birth),
            text!("gender", "1 male, 2 female, 9 other, 0 unknown", gender),
            text!("postcode", "postcode; null for restricted people", postcode),
            text!("lsoa", "LSOA of residence; null for restricted people, as all areas", lsoa),
            text!("msoa", "MSOA of residence", msoa),
            text!("sub_icb", "sub-ICB location", sub_icb),
            text!("icb", "integrated care board", icb),
            text!("region", "NHS England region", region),
            number!("imd_decile", "deprivation decile of the LSOA, 1 most deprived, 0 unknown", imd_decile),
            text!("ethnic_category", "NHS ethnic category, Z not stated, 99 not known", ethnic_category),
            text!("practice", "GP practice", practice),
            flag!("dead", "known to have died", dead),
            flag!("removed", "removed from registration", removed),
            flag!("superseded", "NHS number superseded", superseded),
            flag!("invalidated", "NHS number invalidated", invalidated),
            flag!("restricted", "address may be disclosed to nobody", restricted),
            flag!("has_mobile", "a mobile number is held", has_mobile),
            flag!("has_telephone", "may be telephoned", has_telephone),
            flag!("has_address", "a letter can be addressed", has_address),
            texts!("cohorts", "cohorts of which the person is a member", cohorts),
            texts!("wishes", "wishes about contact", wishes),
            number!("lot", "tie-breaker, drawn once", lot),
        ];
        for (index, programme) in PROGRAMMES.iter().enumerate() {
            let name = |suffix: &str| format!("{}_{suffix}", programme.to_lowercase());
            columns.push(Column::new(
                name("dose_dates"),
                "days on which a dose was given, ascending",
                Access::Days(
                    Box::new(move |row: &Self| row.programmes[index].dose_dates.clone()),
                    Box::new(move |row: &mut Self, value| row.programmes[index].dose_dates = value),
                ),
            ));
            columns.push(Column::new(
                name("booked"),
                "day of the latest appointment that stands",
                Access::Day(
                    Box::new(move |row: &Self| row.programmes[index].booked),
                    Box::new(move |row: &mut Self, value| row.programmes[index].booked = value),
                ),
            ));
            columns.push(Column::new(
                name("booking_provider"),
                "organisation that holds the appointment",
                Access::Text(
                    Box::new(move |row: &Self| row.programmes[index].booking_provider.clone()),
                    Box::new(move |row: &mut Self, value| row.programmes[index].booking_provider = value),
                ),
            ));
            columns.push(Column::new(
                name("appointment"),
                "day of the latest appointment that was not cancelled: to come, kept or missed",
                Access::Day(
                    Box::new(move |row: &Self| row.programmes[index].appointment),
                    Box::new(move |row: &mut Self, value| row.programmes[index].appointment = value),
                ),
            ));
            columns.push(Column::new(
                name("invites"),
                "invitations: campaign#dose#date#open|suppressed",
                Access::Texts(
                    Box::new(move |row: &Self| row.programmes[index].invites.clone()),
                    Box::new(move |row: &mut Self, value| row.programmes[index].invites = value),
                ),
            ));
        }
        columns
    }

    fn unlike() -> &'static [&'static str] {
        &["person_id", "nhs_number", "lot"]
    }

    fn key(&self) -> String {
        self.person_id.clone()
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn person(&self) -> &str {
        &self.person_id
    }

    fn place(&self) -> (String, String) {
        (self.lsoa.clone(), self.person_id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_parquet, write_parquet};
    use ims_domain::PersonId;
    use jiff::civil::date;
    use uuid::Uuid;

    fn person(restricted: bool) -> Person {
        let mut person = Person::new(PersonId(Uuid::from_u128(5)), "9434765919".parse().ok());
        person.version = 3;
        person.demographics.postcode = "cb38dx".into();
        person.demographics.lsoa = "E01018223".into();
        person.demographics.imd_decile = 4;
        person.demographics.date_of_birth = Some(date(1950, 2, 28));
        person.states.restricted = restricted;
        let summary = person.programmes.entry("FLU".parse().unwrap()).or_default();
        summary.doses = vec![date(2024, 10, 1), date(2025, 10, 2)];
        summary.note_invite(Invite { campaign: "flu".into(), dose: 1, date: date(2025, 10, 1), opened: true });
        person
    }

    #[test]
    fn a_row_survives_parquet() {
        let rows = vec![PersonRow::of(&person(false)), PersonRow::default()];
        let bytes = write_parquet(&rows).unwrap();
        let back: Vec<PersonRow> = read_parquet(bytes).unwrap();
        assert_eq!(back, rows);
        let flu = back[0].programme("FLU".parse().unwrap()).unwrap();
        assert_eq!(flu.doses_since(date(2025, 9, 1)), 1);
        assert!(flu.is_invited("flu", 1));
        assert!(!flu.is_invited("flu", 2));
        assert_eq!(flu.last_invite(), Some(date(2025, 10, 1)));
    }

    #[test]
    fn a_restricted_persons_place_is_not_in_the_snapshot() {
        let row = PersonRow::of(&person(true));
        for place in [row.postcode, row.lsoa, row.msoa, row.sub_icb, row.icb, row.region, row.practice] {
            assert_eq!(place, "");
        }
        assert_eq!(row.imd_decile, 0);
    }
}
