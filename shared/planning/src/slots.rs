//! Appointments by site and day, and how many of them are booked.

/// Capacity and the bookings that stand. Day 0 is the first day on which the plan invites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slots {
    sites: usize,
    days: usize,
    /// Capacity and bookings.
    held: Vec<(u32, u32)>,
}

impl Slots {
    /// None yet, for so many sites and days.
    #[must_use]
    pub fn new(sites: usize, days: usize) -> Self {
        Self { sites, days, held: vec![(0, 0); sites * days] }
    }

    /// How many sites.
    #[must_use]
    pub fn sites(&self) -> usize {
        self.sites
    }

    /// How many days.
    #[must_use]
    pub fn days(&self) -> usize {
        self.days
    }

    fn at(&self, site: usize, day: usize) -> (u32, u32) {
        if site < self.sites && day < self.days { self.held[site * self.days + day] } else { (0, 0) }
    }

    /// Free appointments of a site on a day; 0 beyond what is known.
    #[must_use]
    pub fn free(&self, site: usize, day: usize) -> u32 {
        let (capacity, booked) = self.at(site, day);
        capacity.saturating_sub(booked)
    }

    /// Appointments of a site on a day, booked ones among them.
    #[must_use]
    pub fn capacity(&self, site: usize, day: usize) -> u32 {
        self.at(site, day).0
    }

    /// How many of them are booked.
    #[must_use]
    pub fn booked(&self, site: usize, day: usize) -> u32 {
        self.at(site, day).1
    }

    /// How many more may be expected on a day that is to be filled to a share of its capacity. The share is of all of it: were
    /// it of what is free, planning day after day would fill what was left for those who come unasked.
    #[must_use]
    pub fn room(&self, site: usize, day: usize, fill: f64) -> f64 {
        let (capacity, booked) = self.at(site, day);
        (f64::from(capacity) * fill - f64::from(booked)).max(0.0)
    }

    /// Whether a site has any appointments on the days that are looked at, booked or free.
    #[must_use]
    pub fn is_open(&self, site: usize) -> bool {
        (0..self.days).any(|day| self.at(site, day).0 > 0)
    }

    /// Adds capacity; beyond the days that are looked at it is left out.
    pub fn open(&mut self, site: usize, day: usize, appointments: u32) {
        if site < self.sites && day < self.days {
            let capacity = &mut self.held[site * self.days + day].0;
            *capacity = capacity.saturating_add(appointments);
        }
    }

    /// Adds bookings.
    pub fn book(&mut self, site: usize, day: usize, bookings: u32) {
        if site < self.sites && day < self.days {
            let booked = &mut self.held[site * self.days + day].1;
            *booked = booked.saturating_add(bookings);
        }
    }

    /// All free appointments.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.held.iter().map(|(capacity, booked)| u64::from(capacity.saturating_sub(*booked))).sum()
    }
}
