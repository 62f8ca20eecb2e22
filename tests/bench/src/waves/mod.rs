//! `waves`: the planner's allocation for a whole country, and ten weeks of invitations against three simpler policies.

mod allocation;
mod country;
mod plot;
mod policy;
mod simulation;

use anyhow::{Context, Result};
use xtask::progress::step;
use xtask::workspace_root;

use crate::{Better, Case, Options, Outcome};
use policy::Policy;
use simulation::{Ran, World};

/// People of the simulation unless the command line says otherwise.
const PEOPLE: u64 = 1_000_000;
/// Candidates for each person of the simulation: 60 million beside a million.
const CANDIDATES: u64 = 60;
const SEED: u64 = 2_025;

/// Runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<Outcome> {
    let people = options.people.unwrap_or(PEOPLE);
    let mut results = allocation::run(people * CANDIDATES)?;
    let world = World::new(people, SEED)?;
    let ran = Policy::ALL
        .into_iter()
        .map(|policy| {
            step(format!("ten weeks for {people} people, {}", policy.name()));
            Ok((policy, world.run(policy)?))
        })
        .collect::<Result<Vec<(Policy, Ran)>>>()?;
    results.extend(cases(&ran));
    let folder = workspace_root().join(".local/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let path = folder.join("waves.svg");
    std::fs::write(&path, plot::svg(people, &ran)).with_context(|| format!("writing {}", path.display()))?;
    step(format!("plot: {}", path.display()));
    Ok(Outcome { equal_output: None, results })
}

/// Figures of the simulation: ours is the planner, a peer each other policy.
fn cases(ran: &[(Policy, Ran)]) -> Vec<Case> {
    let (ours, rivals) = match ran.split_first() {
        Some(((_, ours), rivals)) => (ours, rivals),
        None => return Vec::new(),
    };
    let mut cases = Vec::new();
    for (rival, theirs) in rivals {
        let name = rival.name();
        let scored = [
            ("overload_days", ours.overload_days() as f64, theirs.overload_days() as f64, "days + 1"),
            ("deprivation_gap", ours.gap(), theirs.gap(), "points + 1"),
        ];
        cases.extend(scored.map(|(case, ours, theirs, unit)| {
            Case::new(format!("{case}, {name}"), ours.max(0.0) + 1.0, unit, Better::Lower)
                .beside(name, theirs.max(0.0) + 1.0)
        }));
    }
    let best = rivals.iter().map(|(_, theirs)| theirs.vaccinated()).max().unwrap_or(0);
    let plain = |case: String, value: f64, unit, better| Case { ratio: None, ..Case::new(case, value, unit, better) };
    for (policy, ran) in ran {
        let name = policy.name();
        cases.push(plain(format!("vaccinated, {name}"), ran.vaccinated() as f64, "people", Better::Higher));
        cases.push(plain(format!("invited, {name}"), ran.invited() as f64, "people", Better::Lower));
        cases.push(plain(format!("turned away, {name}"), ran.turned_away as f64, "people", Better::Lower));
        cases.push(plain(
            format!("clinic days with overload, {name}"),
            ran.overload_share() * 100.0,
            "%",
            Better::Lower,
        ));
    }
    let beside_best = 100.0 * ours.vaccinated() as f64 / best.max(1) as f64;
    cases.push(plain("vaccinated, of the best other policy's".to_owned(), beside_best, "%", Better::Higher));
    for (policy, ran) in ran {
        for (group, days) in ran.waits() {
            cases.push(plain(format!("days until invited, {group}, {}", policy.name()), days, "days", Better::Lower));
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small enough for every build. At this size a clinic has few people a day, so chance weighs more than in the benchmark: how
    /// the policies compare is the benchmark's to say.
    const FEW: u64 = 20_000;

    #[test]
    fn every_policy_is_lived_through_and_compared() {
        let world = World::new(FEW, SEED).unwrap();
        let ran: Vec<(Policy, Ran)> =
            Policy::ALL.into_iter().map(|policy| (policy, world.run(policy).unwrap())).collect();
        for (policy, ran) in &ran {
            let name = policy.name();
            assert_eq!(ran.by_fifth.iter().map(|sum| sum.people).sum::<u64>(), FEW, "{name}");
            assert!(
                ran.by_fifth.iter().all(|sum| sum.vaccinated <= sum.invited && sum.invited <= sum.people),
                "{name}"
            );
            // No policy leaves the clinics idle.
            assert!(ran.suppressed > 0 && ran.vaccinated() > FEW / 3, "{name}: {} vaccinated", ran.vaccinated());
            assert!(ran.overload_share() < 1.0, "{name}");
        }
        // The deprived answer less, so without a weight for them they are left behind.
        assert!(ran[0].1.gap() < ran[1].1.gap(), "gap {:.1}, oldest first {:.1}", ran[0].1.gap(), ran[1].1.gap());
        assert_eq!(cases(&ran).iter().filter(|case| case.ratio.is_some()).count(), 6);
        assert!(plot::svg(FEW, &ran).contains("</svg>"));
    }

    #[test]
    fn a_run_is_the_same_twice() {
        let world = World::new(2_000, 7).unwrap();
        assert_eq!(world.run(Policy::Planner).unwrap(), world.run(Policy::Planner).unwrap());
    }

    #[test]
    fn the_allocation_accounts_for_everybody() {
        assert_eq!(allocation::run(60_000).unwrap().len(), 4);
    }
}
