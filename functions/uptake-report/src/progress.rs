//! What each wave has come to, for the watch that `wave-planning` keeps.

use std::collections::{BTreeMap, HashMap};

use ims_domain::campaign::ContactPlan;
use ims_messaging::{Bucket, Objects};
use ims_snapshot::{ContactRow, PersonRow};
use ims_uptake::watch::{AreaProgress, CampaignProgress, Progress};
use jiff::civil::Date;

use crate::ReportError;
use crate::picture::is_later;
use crate::standing::{Standing, is_undelivered, left, standing};

/// Waves by name, as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Waves(BTreeMap<String, (Progress, BTreeMap<String, AreaProgress>)>);

impl Waves {
    /// Adds one part of the population. All rows of a person are in one part.
    pub(crate) fn add_part(&mut self, plan: &ContactPlan, people: &[PersonRow], contacts: &[ContactRow]) {
        let mut of_wave: BTreeMap<(&str, &str), Vec<&ContactRow>> = BTreeMap::new();
        for row in contacts.iter().filter(|row| row.campaign == plan.campaign && !row.wave.is_empty()) {
            of_wave.entry((&row.wave, &row.person_id)).or_default().push(row);
        }
        let people: HashMap<&str, &PersonRow> = people.iter().map(|row| (row.person_id.as_str(), row)).collect();
        for ((wave, person), rows) in of_wave {
            let (progress, areas) = self.0.entry(wave.to_owned()).or_default();
            match standing(rows.iter().copied()) {
                Standing::Sent => progress.sent += 1,
                Standing::Suppressed(_) => progress.suppressed += 1,
                Standing::Failed(_) => {
                    progress.failed += 1;
                    progress.refused += 1;
                }
                Standing::Pending => {}
            }
            let messages = || rows.iter().filter(|row| row.kind == "message");
            for row in messages().filter(|row| row.channel == "sms" && left(row)) {
                match row.state.as_str() {
                    "delivered" => progress.delivered += 1,
                    "failed" if is_undelivered(row) => progress.failed += 1,
                    _ => progress.unheard += 1,
                }
            }
            let first = messages().filter(|row| left(row)).filter_map(|row| row.on_date).min();
            let (Some(since), Some(person)) = (first, people.get(person)) else { continue };
            let history = person.programme(plan.programme);
            let dosed = history.is_some_and(|history| history.dose_dates.iter().any(|day| *day >= since));
            let booked = history.is_some_and(|history| history.appointment.is_some_and(|day| day >= since));
            let opt_out = format!("contact_opt_out_{}", plan.programme.code().to_lowercase());
            let complains = person.wishes.iter().any(|wish| *wish == opt_out || wish == "contact_opt_out_all");
            progress.vaccinated += u64::from(dosed);
            progress.booked += u64::from(booked);
            progress.complained += u64::from(complains);
            if !person.icb.is_empty() {
                let area = areas.entry(person.icb.clone()).or_default();
                area.sent += 1;
                area.came += u64::from(dosed || booked);
            }
        }
    }

    /// Adds the day to what is known of the campaign, unless that is of a later snapshot.
    pub(crate) async fn put(
        self,
        objects: &Objects,
        campaign: &str,
        manifest: &str,
        day: Date,
    ) -> Result<(), ReportError> {
        let key = CampaignProgress::key(campaign);
        let held = objects.get(Bucket::Exports, &key).await?;
        if held.as_ref().is_some_and(|bytes| is_later(bytes, manifest)) {
            return Ok(());
        }
        let mut known: CampaignProgress =
            held.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        known.manifest = manifest.to_owned();
        for (wave, (progress, areas)) in self.0 {
            let wave = known.waves.entry(wave).or_default();
            wave.days.insert(day, progress);
            wave.areas = areas;
        }
        Ok(objects.put_json(Bucket::Exports, &key, &known).await?)
    }
}

#[cfg(test)]
mod tests {
    use ims_snapshot::{PROGRAMMES, ProgrammeColumns};
    use jiff::civil::date;

    use super::*;

    fn message(person: &str, state: &str, reason: &str) -> ContactRow {
        ContactRow {
            kind: "message".into(),
            person_id: person.into(),
            campaign: "flu-2025".into(),
            wave: "w1".into(),
            step: "invite".into(),
            channel: "sms".into(),
            state: state.into(),
            reason: reason.into(),
            on_date: Some(date(2025, 10, 6)),
            ..ContactRow::default()
        }
    }

    #[test]
    fn a_wave_is_counted_by_what_became_of_its_people() {
        let plan: ContactPlan = serde_json::from_str(include_str!("../../../tests/campaigns/flu.plan.json")).unwrap();
        let person = |id: &str, appointment: Option<Date>, dose: Option<Date>, wish: &str| {
            let mut row = PersonRow { person_id: id.into(), icb: "QOQ".into(), ..PersonRow::default() };
            row.wishes = Some(wish.to_owned()).filter(|wish| !wish.is_empty()).into_iter().collect();
            let flu = PROGRAMMES.iter().position(|code| *code == "FLU").unwrap();
            row.programmes[flu] =
                ProgrammeColumns { dose_dates: dose.into_iter().collect(), appointment, ..ProgrammeColumns::default() };
            row
        };
        let people = [
            person("a", Some(date(2025, 10, 20)), None, ""),
            person("b", None, Some(date(2025, 10, 9)), ""),
            person("c", Some(date(2025, 9, 20)), None, "contact_opt_out_all"),
            person("d", None, None, "contact_opt_out_flu"),
        ];
        let suppressed =
            ContactRow { kind: "decision".into(), reason: "dead".into(), ..message("e", "suppressed", "dead") };
        let contacts = [
            message("a", "delivered", ""),
            message("b", "sent", ""),
            message("c", "delivered", ""),
            message("d", "queued", ""),
            suppressed,
        ];
        let mut waves = Waves::default();
        waves.add_part(&plan, &people, &contacts);
        let (progress, areas) = &waves.0["w1"];
        let expected = Progress {
            sent: 3,
            delivered: 2,
            failed: 0,
            refused: 0,
            unheard: 1,
            suppressed: 1,
            complained: 1,
            booked: 1,
            vaccinated: 1,
        };
        assert_eq!(*progress, expected);
        assert_eq!(areas["QOQ"], AreaProgress { sent: 3, came: 2 });
    }
}
