//! Postcodes as national systems hold them, dummies included.

/// A postcode in capitals with a single space before the last three characters, e.g. `CB3 8DX`; anything too short is only trimmed.
#[must_use]
pub fn normalise(text: &str) -> String {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect();
    match compact.len() {
        5..=7 if compact.is_ascii() => format!("{} {}", &compact[..compact.len() - 3], &compact[compact.len() - 3..]),
        _ => compact,
    }
}

/// Whether mail can go to this postcode: dummies (`ZZ99…`, `ZZZSECUR`, `NFA`, `ANK`) and blanks are refused.
#[must_use]
pub fn is_deliverable(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect();
    (5..=7).contains(&compact.len()) && compact.is_ascii() && !compact.starts_with("ZZ")
}

/// The outward code (`CB3` of `CB3 8DX`), where there is one.
#[must_use]
pub fn outcode(postcode: &str) -> Option<&str> {
    postcode.split_once(' ').map(|(out, _)| out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postcodes_are_written_one_way_and_dummies_are_known() {
        for (text, normal, deliverable) in [
            ("cb38dx", "CB3 8DX", true),
            (" EC1A 1BB ", "EC1A 1BB", true),
            ("ZZ99 3VZ", "ZZ99 3VZ", false),
            ("ZZZSECUR", "ZZZSECUR", false),
            ("NFA", "NFA", false),
            ("ANK", "ANK", false),
            ("", "", false),
        ] {
            assert_eq!(normalise(text), normal);
            assert_eq!(is_deliverable(text), deliverable, "{text}");
        }
        assert_eq!(outcode("CB3 8DX"), Some("CB3"));
    }
}
