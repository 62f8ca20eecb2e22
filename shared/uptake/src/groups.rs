//! Groups by which coverage is shown. What is not known is a group of its own, never left out.

/// Name of the group of people of whom it is not known.
pub const UNKNOWN: &str = "unknown";

/// First age of each band, and the band's name.
const BANDS: [(i16, &str); 14] = [
    (0, "0-4"),
    (5, "5-11"),
    (12, "12-15"),
    (16, "16-17"),
    (18, "18-29"),
    (30, "30-39"),
    (40, "40-49"),
    (50, "50-54"),
    (55, "55-59"),
    (60, "60-64"),
    (65, "65-69"),
    (70, "70-74"),
    (75, "75-79"),
    (80, "80+"),
];

/// An age band, as programmes are planned by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgeBand(Option<usize>);

impl AgeBand {
    /// The band of an age in completed years; unknown where the age is, or is negative.
    #[must_use]
    pub fn of(age: Option<i16>) -> Self {
        Self(age.and_then(|age| BANDS.iter().rposition(|(first, _)| *first <= age)))
    }

    /// Its name: `65-69`, `80+`, `unknown`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.and_then(|index| BANDS.get(index)).map_or(UNKNOWN, |(_, name)| name)
    }
}

/// Ethnic groups, gathered from the NHS Data Dictionary's ethnic categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EthnicGroup {
    /// A, B, C
    White,
    /// D, E, F, G
    Mixed,
    /// H, J, K, L
    Asian,
    /// M, N, P
    Black,
    /// R Chinese, S any other
    ChineseOrOther,
    /// Z not stated, 99 not known, or nothing said
    Unknown,
}

impl EthnicGroup {
    /// From an ethnic category; what follows the letter (a local subdivision) is passed over.
    #[must_use]
    pub fn of(category: &str) -> Self {
        match category.trim().chars().next().map(|letter| letter.to_ascii_uppercase()) {
            Some('A' | 'B' | 'C') => Self::White,
            Some('D' | 'E' | 'F' | 'G') => Self::Mixed,
            Some('H' | 'J' | 'K' | 'L') => Self::Asian,
            Some('M' | 'N' | 'P') => Self::Black,
            Some('R' | 'S') => Self::ChineseOrOther,
            _ => Self::Unknown,
        }
    }

    /// The name in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Mixed => "mixed",
            Self::Asian => "asian",
            Self::Black => "black",
            Self::ChineseOrOther => "chinese_or_other",
            Self::Unknown => UNKNOWN,
        }
    }
}

/// The fifth of a deprivation decile: `1` (most deprived) to `5`; `unknown` for 0 and what is no decile.
#[must_use]
pub fn deprivation_fifth(decile: u64) -> &'static str {
    match decile {
        1 | 2 => "1",
        3 | 4 => "2",
        5 | 6 => "3",
        7 | 8 => "4",
        9 | 10 => "5",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_fall_in_their_band() {
        for (age, name) in
            [(0, "0-4"), (4, "0-4"), (5, "5-11"), (17, "16-17"), (64, "60-64"), (65, "65-69"), (109, "80+")]
        {
            assert_eq!(AgeBand::of(Some(age)).name(), name, "{age}");
        }
        assert_eq!(AgeBand::of(None).name(), UNKNOWN);
        assert_eq!(AgeBand::of(Some(-1)).name(), UNKNOWN);
    }

    #[test]
    fn every_category_of_the_data_dictionary_has_its_group() {
        let groups = [
            ("ABC", "white"),
            ("DEFG", "mixed"),
            ("HJKL", "asian"),
            ("MNP", "black"),
            ("RS", "chinese_or_other"),
            ("Z9", "unknown"),
        ];
        for (categories, name) in groups {
            for category in categories.chars() {
                assert_eq!(EthnicGroup::of(&category.to_string()).name(), name, "{category}");
            }
        }
        assert_eq!(EthnicGroup::of("99"), EthnicGroup::Unknown);
        assert_eq!(EthnicGroup::of(""), EthnicGroup::Unknown);
    }

    #[test]
    fn two_deciles_make_a_fifth() {
        let fifths: Vec<&str> = (0..=11).map(deprivation_fifth).collect();
        assert_eq!(fifths, ["unknown", "1", "1", "2", "2", "3", "3", "4", "4", "5", "5", "unknown"]);
    }
}
