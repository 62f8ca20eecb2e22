//! England's people by age, ethnic group, deprivation and risk.
//!
//! Sources: ONS mid-2020 estimates (age by region), Census 2021 (ethnic group by region, and by fifth of deprivation with
//! IMD 2025), OGL v3.0; risk from Walker et al. 2021 (BMC Public Health 21:484). Thousands of people throughout.

use std::sync::LazyLock;

use super::draw::weighted;

/// NHS England regions, in the order of the tables below.
pub(crate) const REGIONS: [&str; 7] = ["Y56", "Y58", "Y59", "Y60", "Y61", "Y62", "Y63"];

/// By region, then by age: 0–4, 5–9, …, 85–89, 90 and over.
const AGES: [[u16; 19]; 7] = [
    [596, 606, 551, 474, 557, 758, 822, 780, 677, 599, 570, 509, 406, 318, 280, 196, 151, 94, 59],
    [285, 326, 323, 303, 336, 331, 336, 330, 316, 353, 396, 400, 354, 326, 344, 249, 174, 110, 67],
    [512, 579, 578, 514, 530, 540, 551, 581, 582, 620, 653, 634, 532, 462, 487, 350, 253, 160, 100],
    [613, 676, 660, 620, 704, 723, 697, 670, 625, 685, 746, 726, 615, 550, 555, 409, 285, 170, 97],
    [363, 398, 387, 335, 336, 368, 397, 404, 390, 412, 440, 427, 362, 322, 339, 241, 174, 110, 66],
    [422, 458, 446, 409, 464, 497, 490, 468, 424, 462, 508, 504, 431, 374, 378, 266, 191, 111, 63],
    [450, 497, 491, 460, 547, 555, 531, 506, 463, 508, 561, 562, 496, 431, 431, 298, 220, 130, 70],
];

/// By fifth of deprivation, the most deprived first, then by age as above.
const QUINTILE_AGES: [[u16; 19]; 5] = [
    [821, 878, 823, 711, 777, 888, 898, 829, 707, 696, 719, 668, 555, 449, 398, 275, 205, 124, 71],
    [693, 735, 691, 622, 789, 883, 898, 831, 720, 722, 763, 730, 615, 521, 502, 354, 256, 157, 94],
    [610, 655, 635, 588, 709, 772, 775, 748, 686, 722, 785, 779, 669, 591, 603, 431, 306, 186, 112],
    [578, 636, 628, 576, 633, 673, 689, 699, 680, 739, 801, 791, 680, 611, 646, 468, 332, 201, 118],
    [537, 635, 659, 619, 564, 555, 564, 632, 684, 759, 808, 794, 678, 613, 665, 483, 350, 218, 126],
];

/// Ethnic groups as the census counts them in five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EthnicGroup {
    /// White
    White,
    /// Asian, Chinese included
    Asian,
    /// Black
    Black,
    /// Mixed
    Mixed,
    /// Other
    Other,
}

const GROUPS: [EthnicGroup; 5] =
    [EthnicGroup::White, EthnicGroup::Asian, EthnicGroup::Black, EthnicGroup::Mixed, EthnicGroup::Other];

/// By region: White, Asian, Black, Mixed, Other.
const REGION_GROUPS: [[u16; 5]; 7] = [
    [4731, 1818, 1188, 506, 557],
    [5310, 159, 70, 114, 49],
    [8011, 651, 222, 261, 136],
    [8763, 1185, 399, 296, 186],
    [5478, 406, 185, 180, 86],
    [6347, 623, 174, 163, 110],
    [7143, 585, 144, 150, 105],
];

/// By fifth of deprivation: White, Asian, Black, Mixed, Other.
const QUINTILE_GROUPS: [[u16; 5]; 5] = [
    [7881, 1845, 903, 399, 385],
    [8710, 1344, 737, 390, 330],
    [9542, 883, 371, 323, 217],
    [9875, 683, 221, 287, 159],
    [9776, 672, 149, 271, 138],
];

/// By region, then fifth of deprivation.
const REGION_QUINTILES: [[u16; 5]; 7] = [
    [1624, 2892, 1845, 1361, 1078],
    [541, 1136, 1484, 1436, 1105],
    [783, 1478, 1917, 2276, 2825],
    [2688, 2035, 2125, 2104, 1878],
    [671, 1206, 1562, 1491, 1405],
    [2471, 1326, 1099, 1177, 1344],
    [2637, 1439, 1304, 1379, 1370],
];

/// Share of each ethnic group that is 0–17, 18–64, 65 and over; rounded, from the census's age profiles.
const GROUP_AGES: [[f64; 3]; 5] =
    [[0.187, 0.593, 0.220], [0.290, 0.630, 0.080], [0.290, 0.640, 0.070], [0.440, 0.525, 0.035], [0.270, 0.665, 0.065]];

/// Ethnic categories of the NHS Data Dictionary within each group, with their share of England in per cent (Census 2021).
const CATEGORIES: [&[(&str, f64)]; 5] = [
    &[("A", 73.5), ("B", 0.9), ("C", 6.6)],
    &[("H", 3.3), ("J", 2.8), ("K", 1.1), ("L", 1.7), ("R", 0.8)],
    &[("M", 1.1), ("N", 2.6), ("P", 0.5)],
    &[("D", 0.9), ("E", 0.4), ("F", 0.8), ("G", 0.8)],
    &[("S", 2.2)],
];

/// The place of a region code in the tables.
pub(crate) fn region_index(code: &str) -> Option<usize> {
    REGIONS.iter().position(|&region| region == code)
}

/// People in a region, thousands.
pub(crate) fn region_people(region: usize) -> f64 {
    AGES[region].iter().copied().map(f64::from).sum()
}

/// The fifth of deprivation of a decile: 0 most deprived.
pub(crate) fn quintile(decile: u8) -> usize {
    usize::from(decile.clamp(1, 10) - 1) / 2
}

/// An age in years. `band` and `within` are draws in [0, 1).
pub(crate) fn age(region: usize, quintile: usize, band: f64, within: f64) -> u8 {
    let mut weights = [0.0; 19];
    for (n, weight) in weights.iter_mut().enumerate() {
        let england: f64 = QUINTILE_AGES.iter().map(|row| f64::from(row[n])).sum();
        *weight = f64::from(AGES[region][n]) * f64::from(QUINTILE_AGES[quintile][n]) / england;
    }
    let band = weighted(band, &weights);
    if band < 18 {
        return (band * 5) as u8 + (within * 5.0) as u8;
    }
    // From 90 the numbers fall by about a quarter a year.
    90 + ((1.0 - within).ln() / 0.75f64.ln()).min(14.0) as u8
}

/// Whether the person is male, by age, from a draw in [0, 1).
pub(crate) fn is_male(age: u8, u: f64) -> bool {
    u < match age {
        0..=19 => 0.513,
        20..=64 => 0.497,
        65..=74 => 0.483,
        75..=84 => 0.453,
        _ => 0.360,
    }
}

fn age_third(age: u8) -> usize {
    match age {
        0..=17 => 0,
        18..=64 => 1,
        _ => 2,
    }
}

type Cells = [[[[f64; 5]; 3]; 5]; 7]; // region, fifth, age third, group

/// The joint table that has the margins above: iterative proportional fitting from a table of ones.
static JOINT: LazyLock<Box<Cells>> = LazyLock::new(|| {
    let mut cells: Box<Cells> = Box::new([[[[1.0; 5]; 3]; 5]; 7]);
    let share = |table: &[[u16; 5]], row: usize, column: usize| {
        let all: f64 = table.iter().flatten().copied().map(f64::from).sum();
        f64::from(table[row][column]) / all
    };
    let england: f64 = (0..7).map(region_people).sum();
    let groups: f64 = QUINTILE_GROUPS.iter().flatten().copied().map(f64::from).sum();
    let target = |margin: usize, row: usize, column: usize| match margin {
        0 => share(&REGION_GROUPS, row, column),
        1 => share(&QUINTILE_GROUPS, row, column),
        2 => share(&REGION_QUINTILES, row, column),
        3 => {
            let people = |from: usize, to: usize| AGES[row][from..to].iter().copied().map(f64::from).sum::<f64>();
            let children = people(0, 3) + 0.6 * people(3, 4);
            let old = people(13, 19);
            [children, region_people(row) - children - old, old][column] / england
        }
        _ => {
            let group: f64 = QUINTILE_GROUPS.iter().map(|fifth| f64::from(fifth[column])).sum();
            GROUP_AGES[column][row] * group / groups
        }
    };
    let place = |margin: usize, r: usize, q: usize, a: usize, g: usize| match margin {
        0 => (r, g),
        1 => (q, g),
        2 => (r, q),
        3 => (r, a),
        _ => (a, g),
    };
    for _ in 0..40 {
        for margin in 0..5 {
            let mut sums = [[0.0; 5]; 7];
            each(&mut cells, |r, q, a, g, cell| {
                let (row, column) = place(margin, r, q, a, g);
                sums[row][column] += *cell;
            });
            each(&mut cells, |r, q, a, g, cell| {
                let (row, column) = place(margin, r, q, a, g);
                if sums[row][column] > 0.0 {
                    *cell *= target(margin, row, column) / sums[row][column];
                }
            });
        }
    }
    cells
});

fn each(cells: &mut Cells, mut visit: impl FnMut(usize, usize, usize, usize, &mut f64)) {
    for (r, by_quintile) in cells.iter_mut().enumerate() {
        for (q, by_age) in by_quintile.iter_mut().enumerate() {
            for (a, by_group) in by_age.iter_mut().enumerate() {
                for (g, cell) in by_group.iter_mut().enumerate() {
                    visit(r, q, a, g, cell);
                }
            }
        }
    }
}

/// An ethnic group that fits the region, the deprivation and the age, from a draw in [0, 1).
pub(crate) fn ethnic_group(region: usize, quintile: usize, age: u8, u: f64) -> EthnicGroup {
    GROUPS[weighted(u, &JOINT[region][quintile][age_third(age)])]
}

/// An ethnic category (A–S) of a group, from a draw in [0, 1).
pub(crate) fn ethnic_category(group: EthnicGroup, u: f64) -> &'static str {
    let categories = CATEGORIES[group as usize];
    let mut left = u * categories.iter().map(|(_, share)| share).sum::<f64>();
    for (code, share) in categories {
        left -= share;
        if left < 0.0 {
            return code;
        }
    }
    categories[categories.len() - 1].0
}

/// Probability of at least one condition that raises clinical risk: 8.3 % of school age, 19.6 % of working age and 66.2 %
/// of those over 70 on average, more where deprivation is high.
pub(crate) fn risk(age: u8, decile: u8) -> f64 {
    let by_age = match age {
        0..=4 => 0.03,
        5..=15 => 0.083,
        16..=39 => 0.10,
        40..=54 => 0.19,
        55..=69 => 0.37,
        70..=79 => 0.63,
        _ => 0.72,
    };
    by_age * (1.0 + (5.5 - f64::from(decile)) * 0.03)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_joint_table_has_the_census_margins() {
        let mut groups = [0.0; 5];
        let mut london = [0.0; 5];
        for (r, by_quintile) in JOINT.iter().enumerate() {
            for by_group in by_quintile.iter().flatten() {
                for g in 0..5 {
                    groups[g] += by_group[g];
                    london[g] += if r == 0 { by_group[g] } else { 0.0 };
                }
            }
        }
        for (g, percent) in [81.0, 9.6, 4.2, 3.0, 2.2].into_iter().enumerate() {
            assert!((groups[g] * 100.0 - percent).abs() < 0.2, "England, group {g}: {:.2}", groups[g] * 100.0);
        }
        let all: f64 = london.iter().sum();
        for (g, percent) in [53.8, 20.7, 13.5, 5.7, 6.3].into_iter().enumerate() {
            assert!(
                (london[g] / all * 100.0 - percent).abs() < 1.0,
                "London, group {g}: {:.2}",
                london[g] / all * 100.0
            );
        }
    }

    #[test]
    fn ages_reach_past_ninety_and_no_further_than_people_do() {
        assert_eq!(age(0, 0, 0.0, 0.0), 0);
        assert_eq!(age(1, 4, 0.999_999, 0.0), 90);
        assert_eq!(age(1, 4, 0.999_999, 0.999_999_9), 104);
    }
}
