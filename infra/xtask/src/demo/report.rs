//! The report, as a programme director reads it, and as JSON.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use anyhow::Result;
use ims_uptake::{Z_95, wilson};
use serde_json::{Map, Value, json};

use super::{
    campaigns::Campaign,
    oracle::Verdict,
    outcome::{Figures, Funnel, Sums, wave_days},
    season::Left,
};

/// All that is reported.
pub(super) struct Report<'a> {
    pub(super) people: u64,
    pub(super) campaigns: &'a [Campaign],
    pub(super) figures: Vec<Figures>,
    pub(super) left: &'a Left,
    pub(super) verdict: &'a Verdict,
    pub(super) seconds: BTreeMap<String, f64>,
    pub(super) aws_requests: Option<Value>,
    /// The run's folder.
    pub(super) folder: &'a Path,
    pub(super) region_names: BTreeMap<String, String>,
}

impl Report<'_> {
    /// The sums over all campaigns.
    pub(super) fn total(&self) -> Result<Sums> {
        let mut total = Sums::default();
        for figures in &self.figures {
            total.add(&figures.sums);
        }
        // A reference of no known campaign counts too.
        (total.duplicates, total.sent_to_ineligible) = self.verdict.counts()?;
        Ok(total)
    }

    /// Everything, with the names of the demo's interface.
    pub(super) fn json(&self) -> Result<Value> {
        let mut campaigns = Map::new();
        for figures in &self.figures {
            campaigns.insert(figures.campaign.clone(), serde_json::to_value(&figures.sums)?);
        }
        let mut out = Map::new();
        out.insert("people".into(), self.people.into());
        if let Value::Object(total) = serde_json::to_value(self.total()?)? {
            out.extend(total);
        }
        out.insert("campaigns".into(), campaigns.into());
        out.insert("records_accepted".into(), self.left.records_accepted.into());
        out.insert("records_rejected".into(), self.left.records_rejected.into());
        out.insert("seconds".into(), json!(self.seconds));
        out.insert("aws_requests".into(), self.aws_requests.clone().unwrap_or(Value::Null));
        Ok(out.into())
    }

    /// What is not as it must be.
    pub(super) fn failures(&self) -> Result<Vec<String>> {
        let mut failures = Vec::new();
        let total = self.total()?;
        if !self.verdict.equal {
            failures.push(format!("the oracle found {} differences", self.verdict.result["differences"]));
        }
        for (name, count) in [("duplicates", total.duplicates), ("sent to ineligible people", total.sent_to_ineligible)]
        {
            if count > 0 {
                failures.push(format!("{name}: {count}"));
            }
        }
        for figures in &self.figures {
            if !figures.sums.add_up() {
                failures.push(format!("{}: the selected people are not all accounted for", figures.campaign));
            }
            failures.extend(self.verdict.other_sums(&figures.campaign, &figures.sums)?);
            failures.extend(super::outcome::other_picture(self.folder, figures)?);
        }
        let expected = &self.verdict.result["expected"];
        for (name, ours) in
            [("records_accepted", self.left.records_accepted), ("records_rejected", self.left.records_rejected)]
        {
            if expected[name] != ours {
                failures.push(format!("{name}: {ours}, the oracle's {}", expected[name]));
            }
        }
        for wave in &self.left.waves {
            let name = format!("{}/{}", wave.campaign, wave.wave);
            let found = &self.verdict.result["waves"][&name];
            for (what, ours) in [("eligible", wave.eligible), ("selected", wave.candidates)] {
                if found[what] != ours {
                    failures.push(format!("{name} {what}: {ours}, the oracle's {}", found[what]));
                }
            }
        }
        Ok(failures)
    }

    /// The report in words.
    pub(super) fn text(&self) -> Result<String> {
        let mut out = String::new();
        writeln!(out, "\n{:=<110}", "Immunisation campaigns, season 2025 to 2026 ")?;
        writeln!(
            out,
            "{} people on the register; {} records accepted, {} refused",
            self.people, self.left.records_accepted, self.left.records_rejected
        )?;
        for (campaign, figures) in self.campaigns.iter().zip(&self.figures) {
            self.campaign(&mut out, campaign, figures)?;
        }
        self.checks(&mut out)?;
        let total: f64 = self.seconds.values().sum();
        let stages: Vec<String> = self.seconds.iter().map(|(name, seconds)| format!("{name} {seconds:.1}")).collect();
        writeln!(out, "\nSeconds: {} (in all {total:.1})", stages.join(", "))?;
        if let Some(Value::Object(services)) = &self.aws_requests {
            let each: Vec<String> = services
                .iter()
                .map(|(service, operations)| {
                    let counts = operations.as_object().into_iter().flatten();
                    format!("{service} {}", counts.filter_map(|(_, count)| count.as_u64()).sum::<u64>())
                })
                .collect();
            writeln!(out, "AWS requests: {}", each.join(", "))?;
        }
        writeln!(out, "\nFiles in {}:", self.folder.display())?;
        for (name, what) in [
            ("out.json", "this report as JSON"),
            ("oracle.json", "the oracle's findings"),
            ("timeline.ndjson", "what was acknowledged, in order"),
            ("sent.json", "all that GOV.UK Notify accepted"),
            ("manifests/", "print batches"),
            ("snapshot/", "people, vaccinations, contacts (Parquet)"),
            ("exports/", "uptake exports"),
            ("feeds/", "the feed files"),
        ] {
            writeln!(out, "  {name:<16} {what}")?;
        }
        Ok(out)
    }

    fn campaign(&self, out: &mut String, campaign: &Campaign, figures: &Figures) -> Result<()> {
        let sums = &figures.sums;
        writeln!(out, "\n{:-<110}", format!("{} ", campaign.id))?;
        writeln!(
            out,
            "{:<8} {:<34} {:>9} {:>10} {:>9} {:>9} {:>9} {:>11}",
            "wave", "cohort", "selected", "suppressed", "written", "reminded", "called", "vaccinated"
        )?;
        let days = wave_days(self.left, &campaign.id);
        for (wave, on) in &days {
            writeln!(out, "{wave:<8} {on}")?;
            let mut cohorts: Vec<(&String, &Funnel)> = figures
                .funnel
                .iter()
                .filter(|((of, _), _)| of == wave)
                .map(|((_, cohort), line)| (cohort, line))
                .collect();
            let places = campaign.compiled.cohort_places();
            cohorts.sort_by_key(|(cohort, _)| places.get(*cohort).copied().unwrap_or(u32::MAX));
            let mut whole = Funnel::default();
            for (cohort, line) in cohorts {
                row(out, cohort, line)?;
                whole.add(line);
            }
            row(out, "all", &whole)?;
        }
        let list = |counts: &BTreeMap<String, u64>| {
            let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
        };
        writeln!(out, "Texts: {}. Letters: {}.", list(&sums.messages.sms), list(&sums.messages.letters))?;
        writeln!(out, "Not written to: {}.", list(&sums.suppressed))?;
        writeln!(out, "Recall: {} people to telephone, {} calls made.", sums.recall_tasks, sums.calls_made)?;
        writeln!(
            out,
            "Reconciled: {} selected = {} sent + {} suppressed + {} failed + {} pending: {}",
            sums.selected,
            sums.sent,
            sums.suppressed.values().sum::<u64>(),
            sums.failed.values().sum::<u64>(),
            sums.pending,
            if sums.add_up() { "yes" } else { "NO" }
        )?;
        writeln!(out, "{} bookings held; {} people vaccinated this season.", sums.bookings, sums.vaccinated)?;
        writeln!(out, "Coverage of the {} eligible, with 95 % intervals:", sums.eligible)?;
        for (code, counts) in &figures.by_region {
            let name = self.region_names.get(code).map_or(code.as_str(), String::as_str);
            coverage(out, name, *counts)?;
        }
        for (fifth, counts) in &figures.by_fifth {
            let name = match fifth.as_str() {
                "1" => "deprivation fifth 1 (most)".to_owned(),
                "5" => "deprivation fifth 5 (least)".to_owned(),
                other => format!("deprivation fifth {other}"),
            };
            coverage(out, &name, *counts)?;
        }
        Ok(())
    }

    fn checks(&self, out: &mut String) -> Result<()> {
        let total = self.total()?;
        writeln!(out, "\n{:-<110}", "Checks ")?;
        writeln!(
            out,
            "Independent oracle: {}; {} duplicates, {} messages to people who were not eligible",
            if self.verdict.equal { "every set is equal" } else { "NOT EQUAL" },
            total.duplicates,
            total.sent_to_ineligible
        )?;
        let failures = self.failures()?;
        for failure in &failures {
            writeln!(out, "  FAILED  {failure}")?;
        }
        writeln!(out, "{}", if failures.is_empty() { "All checks passed." } else { "Some checks failed." })?;
        Ok(())
    }
}

impl Funnel {
    fn add(&mut self, other: &Self) {
        self.selected += other.selected;
        self.suppressed += other.suppressed;
        self.sent += other.sent;
        self.reminded += other.reminded;
        self.called += other.called;
        self.vaccinated += other.vaccinated;
    }
}

fn row(out: &mut String, cohort: &str, line: &Funnel) -> std::fmt::Result {
    let Funnel { selected, suppressed, sent, reminded, called, vaccinated } = line;
    writeln!(
        out,
        "{:<8} {cohort:<34} {selected:>9} {suppressed:>10} {sent:>9} {reminded:>9} {called:>9} {vaccinated:>11}",
        ""
    )
}

fn coverage(out: &mut String, name: &str, (vaccinated, eligible): (u64, u64)) -> Result<()> {
    let found = wilson(vaccinated, eligible, Z_95)?;
    writeln!(
        out,
        "  {name:<34} {vaccinated:>8} of {eligible:>8}   {:>5.1} %  ({:.1} to {:.1})",
        found.value * 100.0,
        found.lower * 100.0,
        found.upper * 100.0
    )?;
    Ok(())
}
