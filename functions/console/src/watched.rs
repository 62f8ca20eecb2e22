//! What the watch found of waves, in words; and what a wave has come to beside what is expected of it.

use ims_domain::wave::Wave;
use ims_uptake::watch::{CampaignProgress, Expected, WaveProgress, expected, response};
use jiff::Timestamp;
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;

use crate::layout::Problem;
use crate::wave::address;
use crate::{Console, words};

/// An alarm, as `wave-planning` writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Raised {
    campaign: String,
    wave: String,
    text: String,
}

/// What the watch found when it last looked.
#[derive(Debug, Deserialize)]
pub(crate) struct Watch {
    at: Timestamp,
    alarms: Vec<Raised>,
}

async fn read<T: serde::de::DeserializeOwned>(console: &Console, file: &str) -> Result<Option<T>, Problem> {
    let bytes = console.source().watched(file).await.map_err(|error| Problem::unreadable(&error))?;
    // A file of another version says nothing here; it is written anew every few minutes.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// What the watch found when it last looked; none before it ever did.
pub(crate) async fn watch(console: &Console) -> Result<Option<Watch>, Problem> {
    read(console, "alarms").await
}

/// The alarms of all waves, or of one, in words; and when they were looked for.
pub(crate) fn alarms(console: &Console, watch: Option<&Watch>, of: Option<&Wave>, now: Timestamp) -> Markup {
    let is_shown =
        |raised: &&Raised| of.is_none_or(|wave| raised.campaign == wave.campaign && raised.wave == wave.wave);
    let shown: Vec<&Raised> = watch.into_iter().flat_map(|watch| &watch.alarms).filter(is_shown).collect();
    html! {
        section aria-labelledby="watch" {
            h2 id="watch" { "Watch" }
            @match watch {
                None => p { "Nobody has looked yet: the schedule looks every five minutes." },
                Some(watch) => {
                    @if shown.is_empty() { p { "Nothing is wrong." } }
                    @else {
                        ul class="nhsuk-list nhsuk-list--bullet" {
                            @for raised in &shown {
                                li {
                                    @if of.is_none() {
                                        a href=(address(console, &raised.campaign, &raised.wave)) { (raised.campaign) ", " (raised.wave) } ": "
                                        (raised.text) "."
                                    } @else { (words::capital(&raised.text)) "." }
                                }
                            }
                        }
                    }
                    p class="nhsuk-body-s" { "Looked at " (words::age(watch.at, now)) "." }
                },
            }
        }
    }
}

/// What the waves of a campaign have come to.
pub(crate) async fn progress(console: &Console, campaign: &str) -> Result<Option<CampaignProgress>, Problem> {
    read(console, campaign).await
}

/// How far people come in a campaign, by the waves before this.
fn learned(known: &CampaignProgress, waves: &[Wave], released: Date) -> f64 {
    let earlier = waves.iter().filter_map(|wave| {
        let on = wave.released_on.filter(|on| *on < released)?;
        Some((known.waves.get(&wave.wave)?, on))
    });
    response(earlier)
}

/// A wave by day, beside what was expected of it.
pub(crate) fn curves(known: Option<&CampaignProgress>, waves: &[Wave], wave: &Wave) -> Markup {
    let progress = known.and_then(|known| Some((known, known.waves.get(&wave.wave)?)));
    let Some(((known, progress), released)) = progress.zip(wave.released_on) else { return html! {} };
    let response = learned(known, waves, released);
    let number = |value: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "people, and not negative")]
        let value = value.round() as u64;
        words::number(value)
    };
    html! {
        section aria-labelledby="curves" {
            h2 id="curves" { "Expected, and what came" }
            div class="ims-scroll" tabindex="0" role="region" aria-label="Expected, and what came" {
                table class="nhsuk-table" {
                    caption class="nhsuk-table__caption nhsuk-u-visually-hidden" { "By business day, cumulated; expected in brackets" }
                    thead class="nhsuk-table__head" {
                        tr {
                            th scope="col" { "Day" }
                            @for title in ["Written to", "Texts heard of", "Booked", "Vaccinated"] { th scope="col" class="ims-number" { (title) } }
                        }
                    }
                    tbody class="nhsuk-table__body" {
                        @for (day, now, due) in lines(progress, wave, released, response) {
                            tr class="nhsuk-table__row" {
                                th scope="row" { (words::day(day)) }
                                td class="nhsuk-table__cell ims-number" { (words::number(now.sent)) " (" (number(due.decided)) " decided)" }
                                td class="nhsuk-table__cell ims-number" { (words::number(now.delivered + now.failed)) " (" (number(due.heard)) ")" }
                                td class="nhsuk-table__cell ims-number" { (words::number(now.booked)) " (" (number(due.booked)) ")" }
                                td class="nhsuk-table__cell ims-number" { (words::number(now.vaccinated)) " (" (number(due.vaccinated)) ")" }
                            }
                        }
                    }
                }
            }
            p class="nhsuk-body-s" {
                "In brackets what is expected by then: a prior, scaled by what earlier waves of the campaign came to ("
                (format!("{response:.2}")) " times the prior)."
            }
        }
    }
}

fn lines(
    progress: &WaveProgress,
    wave: &Wave,
    released: Date,
    response: f64,
) -> Vec<(Date, ims_uptake::watch::Progress, Expected)> {
    let line = |(day, now): (&Date, &ims_uptake::watch::Progress)| {
        let texts = now.delivered + now.failed + now.unheard;
        let days = (*day - released).get_days();
        (*day, *now, expected(wave.candidates, now.sent, texts, days, response))
    };
    progress.days.iter().map(line).collect()
}
