//! Campaigns as the service runs them: the contact plan beside the eligibility rules, and waves.

use jiff::Span;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::VaccineType;

pub use crate::wave::{Wave, WaveState};

/// What is done about people a campaign selects: the file beside the EliD campaign configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContactPlan {
    /// Version of this file's shape; 1.
    pub schema: u32,
    /// The EliD configuration's `CampaignConfig.ID`.
    pub campaign: String,
    /// The vaccine given.
    pub programme: VaccineType,
    /// Only doses on or after this day count: the start of the season, or of the programme.
    pub count_doses_from: Date,
    /// Doses in the course.
    pub doses: u8,
    /// Which of the doses count; all on or after `count_doses_from` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose_schedule: Option<DoseSchedule>,
    /// Steps, in the order they are taken, the invitation first.
    pub steps: Vec<PlanStep>,
    /// Days on which nobody is reminded or telephoned anew: what falls due on them is done on the next day that is not one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet_days: Vec<Date>,
    /// Planned waves, in order.
    pub waves: Vec<PlanWave>,
}

/// Which doses are valid. One that is not does not count, and the course goes on as if it had not been given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoseSchedule {
    /// The age at which a dose is first valid. Of somebody whose date of birth is not known every dose is old enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_age: Option<MinimumAge>,
    /// The time that must have passed since the valid dose before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_interval: Option<MinimumInterval>,
    /// Valid doses that count; later ones are beyond the course.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_doses: Option<u8>,
    /// The last day of the season; doses after it do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count_doses_until: Option<Date>,
}

/// An age, reached on its birthday; born on 29 February, on 1 March of a year that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinimumAge {
    /// Completed months.
    pub months: u32,
    /// Days by which a dose may come earlier and still be valid.
    #[serde(default)]
    pub grace_days: u32,
}

/// An interval between doses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinimumInterval {
    /// Days from dose to dose.
    pub days: u32,
    /// Days by which a dose may come earlier and still be valid.
    #[serde(default)]
    pub grace_days: u32,
}

impl MinimumAge {
    fn is_reached(self, born: Date, day: Date) -> bool {
        let back = Span::new().months(i64::from(self.months));
        let with_grace = day.checked_add(Span::new().days(i64::from(self.grace_days)));
        with_grace.and_then(|day| day.checked_sub(back)).is_ok_and(|start| start >= born)
    }
}

impl MinimumInterval {
    fn has_passed(self, since: Date, day: Date) -> bool {
        let least = Span::new().days(i64::from(self.days.saturating_sub(self.grace_days)));
        since.checked_add(least).is_ok_and(|first| day >= first)
    }
}

/// A step of a contact plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// Which step.
    pub step: Step,
    /// Days after the invitation was issued.
    pub after_days: u32,
}

/// A planned wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanWave {
    /// Short name, unique in the campaign.
    pub wave: String,
    /// The business day it is planned and released.
    pub on: Date,
    /// Hour of that day, in London, before which the schedule does not release it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_hour: Option<i8>,
    /// Only people whose best cohort is one of these; everyone where empty.
    #[serde(default)]
    pub cohorts: Vec<String>,
}

/// A step in contacting a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The invitation, by SMS or letter.
    Invite,
    /// A reminder, by SMS or letter.
    Reminder,
    /// A recall call by a person.
    Call,
}

impl Step {
    /// The name used in keys, files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Reminder => "reminder",
            Self::Call => "call",
        }
    }
}

/// Why a contact plan cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path}: {message}")]
pub struct PlanProblem {
    /// Where in the file.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Doses that a course may have.
const MOST_DOSES: u8 = 9;
/// Months of the highest minimum age: 120 years.
const MOST_MONTHS: u32 = 1_440;
/// Days of the longest interval: ten years.
const LONGEST_INTERVAL: u32 = 3_660;
/// Days of the longest grace.
const LONGEST_GRACE: u32 = 28;

impl ContactPlan {
    fn schedule_problems(&self, schedule: &DoseSchedule) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut problem = |path: &str, message: String| found.push((path.to_owned(), message));
        if *schedule == DoseSchedule::default() {
            problem("", "says nothing; leave it out".to_owned());
        }
        if let Some(age) = schedule.minimum_age {
            if !(1..=MOST_MONTHS).contains(&age.months) {
                problem(".minimum_age.months", format!("{} is not from 1 to {MOST_MONTHS}", age.months));
            }
            if age.grace_days > LONGEST_GRACE {
                problem(".minimum_age.grace_days", format!("{} is more than {LONGEST_GRACE}", age.grace_days));
            }
        }
        if let Some(interval) = schedule.minimum_interval {
            if !(1..=LONGEST_INTERVAL).contains(&interval.days) {
                problem(".minimum_interval.days", format!("{} is not from 1 to {LONGEST_INTERVAL}", interval.days));
            } else if interval.grace_days >= interval.days {
                let message =
                    format!("{} leaves nothing of an interval of {} days", interval.grace_days, interval.days);
                problem(".minimum_interval.grace_days", message);
            }
            if interval.grace_days > LONGEST_GRACE {
                problem(
                    ".minimum_interval.grace_days",
                    format!("{} is more than {LONGEST_GRACE}", interval.grace_days),
                );
            }
        }
        if let Some(most) = schedule.maximum_doses
            && most < self.doses
        {
            problem(".maximum_doses", format!("{most} is less than the {} doses of the course", self.doses));
        }
        if let Some(until) = schedule.count_doses_until
            && until < self.count_doses_from
        {
            problem(".count_doses_until", format!("{until} is before count_doses_from {}", self.count_doses_from));
        }
        found
    }

    /// Every problem in the plan; none means that it can be used.
    #[must_use]
    pub fn problems(&self) -> Vec<PlanProblem> {
        let mut found = Vec::new();
        let mut problem = |path: String, message: String| found.push(PlanProblem { path, message });
        if self.schema != 1 {
            problem("schema".into(), format!("{} is not a known version; expected 1", self.schema));
        }
        if self.campaign.is_empty() || self.campaign.contains('#') {
            problem("campaign".into(), format!("'{}' must be a name without '#'", self.campaign));
        }
        if !(1..=MOST_DOSES).contains(&self.doses) {
            problem("doses".into(), format!("{} is not from 1 to {MOST_DOSES}", self.doses));
        }
        for (path, message) in self.dose_schedule.iter().flat_map(|schedule| self.schedule_problems(schedule)) {
            problem(format!("dose_schedule{path}"), message);
        }
        match self.steps.first() {
            Some(first) if first.step == Step::Invite && first.after_days == 0 => {}
            _ => problem("steps[0]".into(), "must be the invitation, after 0 days".into()),
        }
        for (index, pair) in self.steps.windows(2).enumerate() {
            if pair[1].after_days <= pair[0].after_days || pair[1].step <= pair[0].step {
                problem(format!("steps[{}]", index + 1), "must come later than the step before it".into());
            }
        }
        for (index, wave) in self.waves.iter().enumerate() {
            if wave.wave.is_empty() || wave.wave.contains('#') {
                problem(format!("waves[{index}].wave"), format!("'{}' must be a name without '#'", wave.wave));
            }
            if self.waves[..index].iter().any(|other| other.wave == wave.wave) {
                problem(format!("waves[{index}].wave"), format!("'{}' is used twice", wave.wave));
            }
        }
        found
    }

    /// The doses that count, of the days on which doses were given, ascending, to somebody born on a day.
    ///
    /// A dose counts from the day that the plan names on; with a schedule, if it is old enough, far enough from the valid
    /// dose before, not one too many, and within the season.
    pub fn valid_doses(&self, given: &[Date], born: Option<Date>) -> impl Iterator<Item = Date> {
        let schedule = self.dose_schedule.unwrap_or_default();
        let most = schedule.maximum_doses.map_or(usize::MAX, usize::from);
        let mut last = None;
        let valid = move |day: &Date| {
            let in_season =
                *day >= self.count_doses_from && schedule.count_doses_until.is_none_or(|until| *day <= until);
            let old_enough = schedule.minimum_age.zip(born).is_none_or(|(age, born)| age.is_reached(born, *day));
            let apart =
                schedule.minimum_interval.zip(last).is_none_or(|(interval, last)| interval.has_passed(last, *day));
            let counts = in_season && old_enough && apart;
            if counts {
                last = Some(*day);
            }
            counts
        };
        given.iter().copied().filter(valid).take(most)
    }

    /// How many doses count; see [`Self::valid_doses`].
    #[must_use]
    pub fn count_valid(&self, given: &[Date], born: Option<Date>) -> u8 {
        u8::try_from(self.valid_doses(given, born).count()).unwrap_or(u8::MAX)
    }

    /// The step after one that is taken today, with the day it falls due: by the day of issue, and where this one is late, as
    /// many days after it as the plan has between them.
    #[must_use]
    pub fn step_after(&self, taken: Step, issued: Date, today: Date) -> Option<(Step, Date)> {
        let (next, due) = self.next_step(taken, issued)?;
        let after = |step: Step| self.steps.iter().find(|plan| plan.step == step).map_or(0, |plan| plan.after_days);
        let between = after(next).saturating_sub(after(taken));
        let not_before = today.checked_add(Span::new().days(i64::from(between))).ok()?;
        Some((next, due.max(not_before)))
    }

    /// The step after a step, with the day it falls due for an invitation issued on a day.
    #[must_use]
    pub fn next_step(&self, after: Step, issued: Date) -> Option<(Step, Date)> {
        let next = self.steps.iter().find(|plan| plan.step > after)?;
        let due = issued.checked_add(Span::new().days(i64::from(next.after_days))).ok()?;
        Some((next.step, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn plan() -> ContactPlan {
        ContactPlan {
            schema: 1,
            campaign: "flu".into(),
            programme: "FLU".parse().unwrap(),
            count_doses_from: date(2025, 9, 1),
            doses: 1,
            dose_schedule: None,
            steps: vec![
                PlanStep { step: Step::Invite, after_days: 0 },
                PlanStep { step: Step::Reminder, after_days: 14 },
                PlanStep { step: Step::Call, after_days: 28 },
            ],
            waves: vec![PlanWave { wave: "w1".into(), on: date(2025, 10, 6), from_hour: None, cohorts: vec![] }],
            quiet_days: vec![],
        }
    }

    #[test]
    fn steps_fall_due_by_the_day_of_issue() {
        let issued = date(2025, 10, 6);
        assert_eq!(plan().next_step(Step::Invite, issued), Some((Step::Reminder, date(2025, 10, 20))));
        assert_eq!(plan().next_step(Step::Reminder, issued), Some((Step::Call, date(2025, 11, 3))));
        assert_eq!(plan().next_step(Step::Call, issued), None);
        let after = |today| plan().step_after(Step::Reminder, issued, today);
        assert_eq!(after(date(2025, 10, 20)), Some((Step::Call, date(2025, 11, 3))));
        assert_eq!(
            after(date(2025, 11, 20)),
            Some((Step::Call, date(2025, 12, 4))),
            "a late reminder puts the call off"
        );
    }

    /// Valid doses of somebody born on a day, under a schedule.
    fn valid(schedule: DoseSchedule, born: Option<Date>, given: &[Date]) -> Vec<Date> {
        let plan = ContactPlan { count_doses_from: date(2000, 1, 1), dose_schedule: Some(schedule), ..plan() };
        plan.valid_doses(given, born).collect()
    }

    #[test]
    fn an_early_dose_does_not_count() {
        let age = |grace_days| DoseSchedule {
            minimum_age: Some(MinimumAge { months: 12, grace_days }),
            ..DoseSchedule::default()
        };
        let born = date(2023, 3, 15);
        for (grace, day, counts) in [
            (0, date(2024, 3, 14), false),
            (0, date(2024, 3, 15), true),
            (4, date(2024, 3, 10), false),
            (4, date(2024, 3, 11), true),
        ] {
            assert_eq!(!valid(age(grace), Some(born), &[day]).is_empty(), counts, "{grace} {day}");
        }
        // Born on 29 February, one is a year old on 1 March, and four years old on the day itself.
        let leap = Some(date(2024, 2, 29));
        assert_eq!(valid(age(0), leap, &[date(2025, 2, 28), date(2025, 3, 1)]), [date(2025, 3, 1)]);
        let four =
            DoseSchedule { minimum_age: Some(MinimumAge { months: 48, grace_days: 0 }), ..DoseSchedule::default() };
        assert_eq!(valid(four, leap, &[date(2028, 2, 28), date(2028, 2, 29)]), [date(2028, 2, 29)]);
        // Nobody knows that it was early.
        assert_eq!(valid(age(0), None, &[date(2024, 3, 14)]).len(), 1);
    }

    #[test]
    fn too_short_an_interval_does_not_count_and_the_valid_dose_before_does() {
        let schedule = DoseSchedule {
            minimum_interval: Some(MinimumInterval { days: 28, grace_days: 4 }),
            ..DoseSchedule::default()
        };
        let first = date(2025, 10, 1);
        for (given, counted) in [
            (vec![first], vec![first]),
            (vec![first, date(2025, 10, 24)], vec![first]),
            // 24 days, across the end of summer time in London.
            (vec![first, date(2025, 10, 25)], vec![first, date(2025, 10, 25)]),
            // The second was too soon; the third is measured from the first.
            (vec![first, date(2025, 10, 20), date(2025, 10, 29)], vec![first, date(2025, 10, 29)]),
        ] {
            assert_eq!(valid(schedule, None, &given), counted, "{given:?}");
        }
        // An early dose is none from which the interval could be measured.
        let both = DoseSchedule { minimum_age: Some(MinimumAge { months: 12, grace_days: 0 }), ..schedule };
        let born = Some(date(2024, 10, 10));
        assert_eq!(valid(both, born, &[first, date(2025, 10, 12)]), [date(2025, 10, 12)]);
    }

    #[test]
    fn doses_beyond_the_course_or_outside_the_season_do_not_count() {
        let two = DoseSchedule { maximum_doses: Some(2), ..DoseSchedule::default() };
        let given = [date(2020, 1, 1), date(2021, 1, 1), date(2022, 1, 1)];
        assert_eq!(valid(two, None, &given), given[..2]);
        let season = DoseSchedule { count_doses_until: Some(date(2021, 1, 1)), ..DoseSchedule::default() };
        let given = [date(1999, 12, 31), date(2000, 1, 1), date(2021, 1, 1), date(2021, 1, 2)];
        assert_eq!(valid(season, None, &given), given[1..3]);
        assert_eq!(plan().count_valid(&[date(2025, 8, 31), date(2025, 9, 1)], None), 1, "without a schedule");
    }

    #[test]
    fn every_mistake_in_a_schedule_is_named() {
        let wrong = ContactPlan {
            doses: 3,
            dose_schedule: Some(DoseSchedule {
                minimum_age: Some(MinimumAge { months: 0, grace_days: 29 }),
                minimum_interval: Some(MinimumInterval { days: 10, grace_days: 10 }),
                maximum_doses: Some(2),
                count_doses_until: Some(date(2025, 8, 31)),
            }),
            ..plan()
        };
        let paths: Vec<String> = wrong.problems().into_iter().map(|problem| problem.path).collect();
        let expected = [
            "minimum_age.months",
            "minimum_age.grace_days",
            "minimum_interval.grace_days",
            "maximum_doses",
            "count_doses_until",
        ];
        assert_eq!(paths, expected.map(|path| format!("dose_schedule.{path}")));
        let empty = ContactPlan { dose_schedule: Some(DoseSchedule::default()), ..plan() };
        assert_eq!(empty.problems()[0].path, "dose_schedule");
    }

    #[test]
    fn every_mistake_in_a_plan_is_named() {
        let mut wrong = plan();
        wrong.schema = 9;
        wrong.doses = 0;
        wrong.campaign = "a#b".into();
        wrong.steps.swap(0, 1);
        wrong.waves.push(wrong.waves[0].clone());
        let paths: Vec<String> = wrong.problems().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["schema", "campaign", "doses", "steps[0]", "steps[1]", "waves[1].wave"]);
        assert!(plan().problems().is_empty());
    }
}
