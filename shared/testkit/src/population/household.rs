//! Who lives together: people come in blocks of ten neighbours, and a block is split into households of consecutive people.

use super::draw::{Draw, mix, unit_of};
use super::{Geography, Settings, england};

/// People in a block; a person's block is `index / BLOCK`.
pub(crate) const BLOCK: u64 = 10;

/// A person's place in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    /// Years on the business date.
    pub(crate) age: u8,
    /// Index of the household's first person, the eldest; it stands for the household.
    pub(crate) head: u64,
}

/// Ten neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Place in [`Geography::lsoas`].
    pub(crate) lsoa: usize,
    /// In the order of their indices.
    pub(crate) members: [Member; BLOCK as usize],
}

/// The block with the given number.
pub(crate) fn block(settings: &Settings, geography: &Geography, number: u64) -> Block {
    // Blocks step through the areas by the golden ratio, so that any number of them has the regions in proportion.
    let u = unit_of(number.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(mix(settings.seed ^ 0xB10C)));
    let lsoa = geography.draw(u);
    let area = &geography.lsoas[lsoa];
    let mut draw = Draw::new(settings.seed, "block", number);
    let mut ages = [0u8; BLOCK as usize];
    for age in &mut ages {
        *age = england::age(area.region_index, england::quintile(area.imd_decile), draw.unit(), draw.unit());
    }
    ages.sort_unstable_by(|a, b| b.cmp(a));

    let adults = ages.partition_point(|&age| age >= 18);
    let mut households: Vec<Vec<u8>> = Vec::with_capacity(BLOCK as usize);
    let mut next = 0;
    while next < adults {
        let together = if next + 1 < adults && draw.chance(0.62) { 2 } else { 1 };
        households.push(ages[next..next + together].to_vec());
        next += together;
    }
    for &child in &ages[adults..] {
        // With a parent's age gap and fewer than three other children where there is such a household, else anywhere.
        let fits = |household: &&mut Vec<u8>| {
            let gap = household[0].saturating_sub(child);
            (18..=45).contains(&gap) && household.iter().filter(|&&age| age < 18).count() < 3
        };
        let candidates = households.iter_mut().filter(fits).count();
        if candidates > 0 {
            let chosen = draw.below(candidates as u64) as usize;
            if let Some(household) = households.iter_mut().filter(fits).nth(chosen) {
                household.push(child);
            }
        } else if let Some(household) = households.last_mut() {
            household.push(child);
        } else {
            households.push(vec![child]);
        }
    }

    let mut members = [Member { age: 0, head: number * BLOCK }; BLOCK as usize];
    let mut place = 0;
    for household in households {
        let head = number * BLOCK + place as u64;
        for age in household {
            members[place] = Member { age, head };
            place += 1;
        }
    }
    Block { lsoa, members }
}
