//! The simulation as a picture: overload by week, and coverage by deprivation fifth.

use super::policy::Policy;
use super::simulation::{Ran, WEEKS};

const COLOURS: [&str; 4] = ["#005eb8", "#8a1538", "#768692", "#ed8b00"];
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 220.0;

/// Both pictures side by side.
pub(crate) fn svg(people: u64, ran: &[(Policy, Ran)]) -> String {
    let mut text = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1010 350\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"1010\" height=\"350\" fill=\"white\"/>\n",
    );
    overload(&mut text, ran);
    coverage(&mut text, ran);
    for (place, (policy, _)) in ran.iter().enumerate() {
        let x = 60.0 + 160.0 * place as f64;
        text.push_str(&format!(
            "<rect x=\"{x}\" y=\"318\" width=\"12\" height=\"12\" fill=\"{}\"/><text x=\"{}\" y=\"328\">{}</text>\n",
            COLOURS[place % COLOURS.len()],
            x + 18.0,
            policy.name()
        ));
    }
    text.push_str(&format!(
        "<text x=\"955\" y=\"328\" text-anchor=\"end\" fill=\"#4c6272\">{people} people</text>\n</svg>\n"
    ));
    text
}

fn axes(text: &mut String, left: f64, title: &str, marks: &[(f64, String)]) {
    text.push_str(&format!("<text x=\"{left}\" y=\"28\" font-size=\"14\" font-weight=\"bold\">{title}</text>\n"));
    for (share, label) in marks {
        let y = 50.0 + HEIGHT * (1.0 - share);
        text.push_str(&format!(
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#d8dde0\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\n",
            left + WIDTH,
            left - 6.0,
            y + 4.0
        ));
    }
}

/// A round number that is no less, for the top of an axis.
fn top(value: f64) -> f64 {
    let step = 10f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 4.0, 5.0, 10.0].map(|times| times * step).into_iter().find(|top| *top >= value).unwrap_or(step * 10.0)
}

fn overload(text: &mut String, ran: &[(Policy, Ran)]) {
    let left = 60.0;
    let most = ran.iter().flat_map(|(_, ran)| ran.overload).max().unwrap_or(0) as f64;
    let top = top(most);
    let marks: Vec<(f64, String)> =
        [0.0, 0.5, 1.0].map(|share| (share, format!("{:.0}", share * top))).into_iter().collect();
    axes(text, left, "Clinic days with overload, by week", &marks);
    let x = |week: usize| left + WIDTH * (week as f64 + 0.5) / WEEKS as f64;
    for week in 0..WEEKS {
        text.push_str(&format!("<text x=\"{:.1}\" y=\"288\" text-anchor=\"middle\">{}</text>\n", x(week), week + 1));
    }
    for (place, (_, ran)) in ran.iter().enumerate() {
        let points: Vec<String> = (0..WEEKS)
            .map(|week| format!("{:.1},{:.1}", x(week), 50.0 + HEIGHT * (1.0 - ran.overload[week] as f64 / top)))
            .collect();
        let colour = COLOURS[place % COLOURS.len()];
        text.push_str(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.5\"/>\n",
            points.join(" ")
        ));
    }
}

fn coverage(text: &mut String, ran: &[(Policy, Ran)]) {
    let left = 560.0;
    let marks: Vec<(f64, String)> =
        [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, format!("{:.0} %", share * 100.0))).into_iter().collect();
    axes(text, left, "Vaccinated after ten weeks, by deprivation fifth", &marks);
    let group = WIDTH / 5.0;
    for fifth in 1..=5usize {
        let from = left + group * (fifth - 1) as f64;
        for (place, (_, theirs)) in ran.iter().enumerate() {
            let share = theirs.by_fifth[fifth].coverage() / 100.0;
            let width = group * 0.8 / ran.len().max(1) as f64;
            text.push_str(&format!(
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>\n",
                from + group * 0.1 + width * place as f64,
                50.0 + HEIGHT * (1.0 - share),
                width - 1.0,
                HEIGHT * share,
                COLOURS[place % COLOURS.len()]
            ));
        }
        let label = match fifth {
            1 => "1, most deprived".to_owned(),
            fifth => fifth.to_string(),
        };
        text.push_str(&format!(
            "<text x=\"{:.1}\" y=\"288\" text-anchor=\"middle\">{label}</text>\n",
            from + group / 2.0
        ));
    }
}
