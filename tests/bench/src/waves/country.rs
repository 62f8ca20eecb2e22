//! A made-up country: towns with areas, sites among them, more deprived people in the middle of towns and older ones outside.

use ims_planning::Place;

/// Even draws that follow from a seed, what is drawn, and for whom.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64, purpose: u64, index: u64) -> Self {
        let mut draw = Self(seed ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f));
        draw.0 = draw.next() ^ index.wrapping_mul(0xe703_7ed1_a0b4_28db);
        draw
    }

    // SplitMix64 (Steele and others 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to but not including 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    pub(crate) fn chance(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// Of mean 0 and deviation 1 (Box–Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// The place in a list of shares that an even draw falls on.
    pub(crate) fn among(&mut self, shares: &[f64]) -> usize {
        let mut left = self.unit() * shares.iter().sum::<f64>();
        for (place, share) in shares.iter().enumerate() {
            left -= share;
            if left < 0.0 {
                return place;
            }
        }
        shares.len().saturating_sub(1)
    }
}

/// An area.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Area {
    pub(crate) place: Place,
    /// Deprivation, on the scale of a standard normal; higher is more deprived.
    pub(crate) deprived: f64,
}

/// Areas and sites.
pub(crate) struct Country {
    pub(crate) areas: Vec<Area>,
    pub(crate) sites: Vec<Place>,
}

/// Areas a town has on average.
const AREAS_A_TOWN: usize = 14;

impl Country {
    /// So many areas in towns of all sizes, and sites in them: not as many where many people are deprived.
    pub(crate) fn new(seed: u64, areas: usize, sites: usize) -> Self {
        let towns = (areas / AREAS_A_TOWN).max(1);
        let sizes: Vec<f64> = (1..=towns).map(|rank| 1.0 / (rank as f64).powf(0.8)).collect();
        let middle = |town: usize| {
            let mut draw = Draw::new(seed, 1, town as u64);
            (50.8 + 4.2 * draw.unit(), -3.0 + 4.0 * draw.unit(), 0.6 * draw.normal())
        };
        let towns: Vec<(f64, f64, f64)> = (0..sizes.len()).map(middle).collect();
        let spread = |town: usize| 0.02 + 0.12 * (sizes[town] / sizes[0]).sqrt();
        let around = |draw: &mut Draw| {
            let town = draw.among(&sizes);
            let (latitude, longitude, _) = towns[town];
            let (north, east) = (draw.normal(), draw.normal());
            let place =
                Place { latitude: latitude + north * spread(town), longitude: longitude + east * spread(town) * 1.6 };
            (town, north.hypot(east), place)
        };
        let areas = (0..areas)
            .map(|area| {
                let mut draw = Draw::new(seed, 2, area as u64);
                let (town, outside, place) = around(&mut draw);
                Area { place, deprived: 0.7 * (1.2 - outside) + towns[town].2 + 0.4 * draw.normal() }
            })
            .collect();
        let sites = (0..sites).map(|site| around(&mut Draw::new(seed, 3, site as u64)).2).collect();
        Self { areas, sites }
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        self.areas.iter().map(|area| area.place).collect()
    }
}
