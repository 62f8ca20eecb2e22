//! Distances, and the sites nearest to each area.

use serde::{Deserialize, Serialize};

/// How much longer a way by road is than the straight line, on average over England's towns and country (Ballou and others
/// 2002 give 1.4 for England; Boscoe and others 2012 1.3 to 1.4 for ways to hospital).
pub const DETOUR: f64 = 1.35;

/// Mean radius of the earth, kilometres.
const EARTH: f64 = 6371.0;

/// In place of a site that an area does not have: beyond every reach.
const NOWHERE: (u32, f32) = (u32::MAX, f32::INFINITY);

/// A place on earth, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

impl Place {
    /// Kilometres by road, estimated: the great circle (haversine) times [`DETOUR`].
    #[must_use]
    pub fn kilometres_to(self, other: Self) -> f64 {
        let (one, two) = (self.latitude.to_radians(), other.latitude.to_radians());
        let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
        let across = half(self.longitude.to_radians(), other.longitude.to_radians());
        let haversine = half(one, two) + one.cos() * two.cos() * across;
        2.0 * EARTH * haversine.clamp(0.0, 1.0).sqrt().asin() * DETOUR
    }

    /// As a point of the unit sphere, between which nearness is a matter of three products.
    fn point(self) -> [f64; 3] {
        let (north, east) = (self.latitude.to_radians(), self.longitude.to_radians());
        [north.cos() * east.cos(), north.cos() * east.sin(), north.sin()]
    }
}

/// The sites nearest to each area, the nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Nearest {
    sites: usize,
    each: usize,
    /// Site and kilometres by road, `each` for an area.
    found: Vec<(u32, f32)>,
}

impl Nearest {
    /// Looks for up to `each` sites an area. Where two are as far, the one that comes first in the list is nearer.
    #[must_use]
    pub fn find(areas: &[Place], sites: &[Place], each: usize) -> Self {
        let points: Vec<[f64; 3]> = sites.iter().map(|site| site.point()).collect();
        let each = each.min(sites.len());
        let mut found = Vec::with_capacity(areas.len() * each);
        let mut best: Vec<(f64, u32)> = Vec::with_capacity(each + 1);
        for area in areas {
            let here = area.point();
            best.clear();
            for (site, there) in (0u32..).zip(&points) {
                let apart = here.iter().zip(there).map(|(one, two)| (one - two) * (one - two)).sum::<f64>();
                if best.len() < each || best.last().is_some_and(|last| apart < last.0) {
                    let place = best.partition_point(|held| held.0 <= apart);
                    best.insert(place, (apart, site));
                    best.truncate(each);
                }
            }
            let kilometres = |site: u32| area.kilometres_to(sites[site as usize]) as f32;
            found.extend(best.iter().map(|(_, site)| (*site, kilometres(*site))));
        }
        Self { sites: sites.len(), each, found }
    }

    /// Without sites that are not open: each area has those of its sites that are, the nearest first.
    #[must_use]
    pub(crate) fn open(&self, is_open: impl Fn(usize) -> bool) -> Self {
        let open: Vec<bool> = (0..self.sites).map(is_open).collect();
        let mut found = Vec::with_capacity(self.found.len());
        for area in self.found.chunks(self.each.max(1)) {
            let end = found.len() + area.len();
            found.extend(area.iter().copied().filter(|(site, _)| open.get(*site as usize) == Some(&true)));
            found.resize(end, NOWHERE);
        }
        Self { found, ..*self }
    }

    /// How many sites there are.
    #[must_use]
    pub fn sites(&self) -> usize {
        self.sites
    }

    /// How many areas there are.
    #[must_use]
    pub fn areas(&self) -> usize {
        self.found.len().checked_div(self.each).unwrap_or(usize::MAX)
    }

    /// How many sites each area has.
    #[must_use]
    pub fn each(&self) -> usize {
        self.each
    }

    /// Sites of an area with the kilometres by road, the nearest first.
    #[must_use]
    pub fn of(&self, area: u32) -> &[(u32, f32)] {
        let from = area as usize * self.each;
        self.found.get(from..from + self.each).unwrap_or_default()
    }
}
