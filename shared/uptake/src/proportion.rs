//! Proportions with Wilson's interval.

use thiserror::Error;

/// Standard normal deviate of a two-sided 95 % interval.
pub const Z_95: f64 = 1.959_963_984_540_054;

/// Standard normal deviate of a two-sided 99.8 % interval.
pub const Z_99_8: f64 = 3.090_232_306_167_813;

/// A proportion of 1 with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The proportion, 0 to 1.
    pub value: f64,
    /// Lower limit, 0 to 1.
    pub lower: f64,
    /// Upper limit, 0 to 1.
    pub upper: f64,
}

/// Counts that are no proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotAProportion {
    /// Of nobody, no proportion can be told.
    #[error("the denominator is 0")]
    NoDenominator,
    /// More than all.
    #[error("the numerator {numerator} is greater than the denominator {denominator}")]
    MoreThanAll {
        /// Numerator.
        numerator: u64,
        /// Denominator.
        denominator: u64,
    },
}

/// A proportion with Wilson's score interval (E. B. Wilson, 1927) at the deviate `z`, such as [`Z_95`].
///
/// # Errors
/// Where the denominator is 0 or less than the numerator.
pub fn wilson(numerator: u64, denominator: u64, z: f64) -> Result<Interval, NotAProportion> {
    if denominator == 0 {
        return Err(NotAProportion::NoDenominator);
    }
    if numerator > denominator {
        return Err(NotAProportion::MoreThanAll { numerator, denominator });
    }
    #[allow(clippy::cast_precision_loss)] // counts of people are far below 2^53
    let (observed, n) = (numerator as f64, denominator as f64);
    let value = observed / n;
    let centre = 2.0 * observed + z * z;
    let spread = z * (z * z + 4.0 * observed * (1.0 - value)).sqrt();
    let scale = 2.0 * (n + z * z);
    Ok(Interval {
        value,
        lower: ((centre - spread) / scale).clamp(0.0, value),
        upper: ((centre + spread) / scale).clamp(value, 1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Newcombe, Statistics in Medicine 1998; 17: 857–872, table I, method 3 (Wilson without continuity correction).
    #[test]
    fn agrees_with_newcombes_examples() {
        for (numerator, denominator, lower, upper) in
            [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]
        {
            let found = wilson(numerator, denominator, Z_95).unwrap();
            assert!((found.lower - lower).abs() < 5e-5, "{numerator}/{denominator}: {found:?}");
            assert!((found.upper - upper).abs() < 5e-5, "{numerator}/{denominator}: {found:?}");
        }
    }

    #[test]
    fn what_is_no_proportion_is_named() {
        assert_eq!(wilson(0, 0, Z_95), Err(NotAProportion::NoDenominator));
        assert_eq!(wilson(3, 2, Z_95), Err(NotAProportion::MoreThanAll { numerator: 3, denominator: 2 }));
    }

    proptest! {
        #[test]
        fn limits_enclose_the_proportion_and_stay_within_0_and_1(n in 1u64..60_000_000, share in 0.0f64..=1.0) {
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let numerator = ((n as f64) * share) as u64;
            let found = wilson(numerator.min(n), n, Z_95).unwrap();
            prop_assert!(0.0 <= found.lower && found.lower <= found.value);
            prop_assert!(found.value <= found.upper && found.upper <= 1.0);
            let wider = wilson(numerator.min(n), n, Z_99_8).unwrap();
            prop_assert!(wider.lower <= found.lower && found.upper <= wider.upper);
        }
    }
}
