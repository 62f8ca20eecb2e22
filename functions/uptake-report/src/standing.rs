//! Where a person stands in a campaign, told from their contacts.

use ims_snapshot::ContactRow;

/// Words of a provider for a message that left but did not arrive.
const UNDELIVERED: [&str; 5] =
    ["permanent-failure", "temporary-failure", "technical-failure", "returned", "undelivered"];

/// Where a selected person stands: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// At least one message left.
    Sent,
    /// Nothing left: the latest decision was against it, for this reason.
    Suppressed(String),
    /// Nothing left: the provider refused it, in these words.
    Failed(String),
    /// Not decided yet, or queued.
    Pending,
}

/// Whether a message left. One that was claimed counts as having left, even where its fate is not known; one that failed
/// only where it failed on its way.
pub(crate) fn left(message: &ContactRow) -> bool {
    match message.state.as_str() {
        "sending" | "sent" | "delivered" | "unknown" => true,
        "failed" => is_undelivered(message),
        _ => false,
    }
}

/// Whether a message left and is known not to have arrived.
pub(crate) fn is_undelivered(message: &ContactRow) -> bool {
    message.state == "failed" && UNDELIVERED.iter().any(|word| message.reason.starts_with(word))
}

/// Where a person stands by their contacts in one campaign: one message sent wins, else the latest decision counts.
pub(crate) fn standing<'a>(contacts: impl Iterator<Item = &'a ContactRow> + Clone) -> Standing {
    let of = |kind: &'static str| contacts.clone().filter(move |row| row.kind == kind);
    if of("message").any(left) {
        return Standing::Sent;
    }
    let latest =
        of("decision").filter(|row| row.step == "invite").max_by_key(|row| (row.on_date, row.dose, row.sequence));
    let Some(decision) = latest else { return Standing::Pending };
    if !decision.reason.is_empty() {
        return Standing::Suppressed(decision.reason.clone());
    }
    let message = of("message").max_by_key(|row| (row.dose == decision.dose, row.on_date, row.version));
    match message.map(|message| (message.state.as_str(), message)) {
        Some(("withdrawn", message)) => Standing::Suppressed(brief(&message.reason)),
        Some(("failed", message)) => Standing::Failed(brief(&message.reason)),
        _ => Standing::Pending,
    }
}

/// The first words of a reason: a provider's full answer may repeat what it was sent.
fn brief(reason: &str) -> String {
    let first = reason.split([':', ';', '\n']).next().unwrap_or_default().trim();
    if first.is_empty() { "not_told".to_owned() } else { first.chars().take(40).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn decision(day: i8, sequence: u64, reason: &str) -> ContactRow {
        ContactRow {
            kind: "decision".into(),
            step: "invite".into(),
            on_date: Some(date(2025, 10, day)),
            dose: 1,
            sequence,
            reason: reason.into(),
            ..ContactRow::default()
        }
    }

    fn message(state: &str, reason: &str) -> ContactRow {
        ContactRow {
            kind: "message".into(),
            step: "invite".into(),
            dose: 1,
            state: state.into(),
            reason: reason.into(),
            ..ContactRow::default()
        }
    }

    #[test]
    fn a_person_stands_in_one_place() {
        let suppressed = |reason: &str| Standing::Suppressed(reason.to_owned());
        let cases = [
            (vec![], Standing::Pending),
            (vec![decision(6, 0, "")], Standing::Pending),
            (vec![decision(6, 0, ""), message("queued", "")], Standing::Pending),
            (vec![decision(6, 0, ""), message("sending", "")], Standing::Sent),
            (vec![decision(6, 0, ""), message("unknown", "")], Standing::Sent),
            (vec![decision(6, 0, ""), message("failed", "permanent-failure")], Standing::Sent),
            (
                vec![decision(6, 0, ""), message("failed", "ValidationError: 07700900000 is not valid")],
                Standing::Failed("ValidationError".into()),
            ),
            (vec![decision(6, 0, ""), message("withdrawn", "booked")], suppressed("booked")),
            (vec![decision(6, 0, "booked")], suppressed("booked")),
            (vec![decision(6, 0, "booked"), decision(13, 1, "opted_out")], suppressed("opted_out")),
            (vec![decision(13, 1, "opted_out"), decision(6, 0, "booked")], suppressed("opted_out")),
            (vec![decision(6, 0, ""), message("delivered", ""), decision(13, 1, "dead")], Standing::Sent),
        ];
        for (rows, expected) in cases {
            assert_eq!(standing(rows.iter()), expected, "{rows:?}");
        }
    }
}
