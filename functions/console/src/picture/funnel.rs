//! The funnel in words.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::file::{Funnel, People};
use crate::words::{self, number, people};

/// Whether everyone selected is accounted for, and the sentence that says so.
pub(crate) fn reconciliation(counted: &People) -> (bool, String) {
    let (suppressed, failed): (u64, u64) = (counted.suppressed.values().sum(), counted.failed.values().sum());
    let sum = counted.sent + suppressed + failed + counted.pending;
    let parts = format!(
        "sent {} + suppressed {} + failed {} + pending {}",
        number(counted.sent),
        number(suppressed),
        number(failed),
        number(counted.pending)
    );
    if sum == counted.selected {
        (true, format!("Everyone selected is accounted for: {} = {parts}.", number(counted.selected)))
    } else {
        let (selected, sum) = (number(counted.selected), number(sum));
        (false, format!("Not everyone selected is accounted for: selected {selected}, but {parts} is {sum}."))
    }
}

struct Stage {
    name: &'static str,
    meaning: &'static str,
    count: u64,
    before: Option<(&'static str, u64)>,
}

impl Stage {
    /// What is counted, in words that agree with the number.
    fn unit(&self) -> &'static str {
        match (self.name, self.count) {
            ("Called", 1) => "call",
            ("Called", _) => "calls",
            (_, 1) => "person",
            _ => "people",
        }
    }

    fn share(&self) -> Option<String> {
        let (name, before) = self.before?;
        Some(if self.count > before {
            format!("more than {name}: people also come of their own accord")
        } else {
            let share = words::share(self.count, before)?;
            format!("{} of {name}", words::percent(share))
        })
    }
}

/// The funnel: six stages, what was suppressed and why, and whether it adds up.
pub(super) fn cards(funnel: &Funnel) -> Markup {
    let counted = &funnel.people;
    let stages = [
        Stage { name: "Eligible", meaning: "by the campaign's rules", count: counted.eligible, before: None },
        Stage {
            name: "Selected",
            meaning: "by a wave",
            count: counted.selected,
            before: Some(("those eligible", counted.eligible)),
        },
        Stage {
            name: "Invited",
            meaning: "at least one message left",
            count: counted.sent,
            before: Some(("those selected", counted.selected)),
        },
        Stage {
            name: "Booked",
            meaning: "have or had an appointment",
            count: funnel.booked,
            before: Some(("those invited", counted.sent)),
        },
        Stage {
            name: "Vaccinated",
            meaning: "have had a dose in this campaign",
            count: funnel.vaccinated,
            before: Some(("those invited", counted.sent)),
        },
        Stage { name: "Called", meaning: "calls made to those who did not come", count: funnel.called, before: None },
    ];
    let (adds_up, sentence) = reconciliation(counted);
    html! {
        section aria-labelledby="funnel" {
            h2 id="funnel" { "From eligible to vaccinated, England" }
            dl class="ims-figures" {
                @for stage in &stages {
                    div class="ims-stage" {
                        dt { (stage.name) span class="nhsuk-u-visually-hidden" { ": " } }
                        dd { (number(stage.count)) " " span class="nhsuk-body-s" { (stage.unit()) } }
                        dd {
                            span class="nhsuk-body-s" {
                                (stage.meaning)
                                @if let Some(share) = stage.share() { "; " (share) }
                            }
                        }
                    }
                }
            }
            @if adds_up {
                p class="ims-adds-up" { span aria-hidden="true" { "✓ " } (sentence) }
            } @else {
                (crate::layout::warning(&format!(
                    "{sentence} Tell an engineer on call: people may be missing from the count."
                )))
            }
            (reasons("Suppressed", "Nobody wrote to them, because:", &counted.suppressed, words::suppression))
            (reasons("Failed", "The provider did not take the message, because:", &counted.failed, words::failure))
            (contacts(funnel))
        }
    }
}

fn reasons(title: &str, lead: &str, counts: &BTreeMap<String, u64>, wording: fn(&str) -> String) -> Markup {
    let total: u64 = counts.values().sum();
    let mut sorted: Vec<(&String, &u64)> = counts.iter().filter(|(_, count)| **count > 0).collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    html! {
        @if !sorted.is_empty() {
            h3 { (title) ": " (people(total)) }
            p { (lead) }
            ul class="nhsuk-list nhsuk-list--bullet" {
                @for (reason, count) in sorted { li { (people(*count)) ": " (wording(reason)) } }
            }
        }
    }
}

/// Messages and calls in a sentence each.
fn contacts(funnel: &Funnel) -> Markup {
    let total = |steps: &BTreeMap<String, u64>| steps.values().sum::<u64>();
    let each = |steps: &BTreeMap<String, u64>| {
        let parts: Vec<String> = steps.iter().map(|(step, count)| format!("{step} {}", number(*count))).collect();
        if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
    };
    let messages = &funnel.messages;
    let outcomes: Vec<String> = funnel
        .call_outcomes
        .iter()
        .map(|(outcome, count)| format!("{} {}", words::call_outcome(outcome), number(*count)))
        .collect();
    html! {
        h3 { "Messages and calls" }
        ul class="nhsuk-list nhsuk-list--bullet" {
            li { (words::count(total(&messages.sms), "text", "texts")) (each(&messages.sms)) }
            li { (words::count(total(&messages.letters), "letter", "letters")) (each(&messages.letters)) }
            li {
                (words::count(funnel.called, "call", "calls")) " made"
                @if !outcomes.is_empty() { "; the last call ended: " (outcomes.join(", ")) }
            }
        }
    }
}
