//! What holds of every plan, over made-up countries.

use ims_domain::contact::Channel;
use proptest::prelude::*;

use super::*;

/// A small country: areas on a grid, some sites, slots, and cells drawn for them.
#[derive(Debug, Clone)]
struct Country {
    areas: Vec<Place>,
    sites: Vec<Place>,
    slots: Vec<u32>,
    booked: Vec<u32>,
    cells: Vec<Cell>,
    pending: Vec<Pending>,
}

const DAYS: usize = 24;

fn place(draw: u32) -> Place {
    Place { latitude: 52.0 + f64::from(draw % 16) * 0.05, longitude: -1.0 + f64::from(draw / 16 % 16) * 0.08 }
}

fn home(areas: u32) -> impl Strategy<Value = Home> {
    prop_oneof![
        9 => (0..areas).prop_map(Home::Area),
        1 => (0..Apart::ALL.len()).prop_map(|place| Home::Apart(Apart::ALL[place])),
    ]
}

fn country() -> impl Strategy<Value = Country> {
    (1u32..8, 1usize..5).prop_flat_map(|(areas, sites)| {
        let channel = prop_oneof![Just(Channel::Sms), Just(Channel::Letter)];
        let cell = (home(areas), 0u16..4, 0u8..6, channel, 0u16..9, 0u32..60).prop_map(
            |(home, cohort, fifth, channel, weeks, people)| {
                let channel = Some(channel).filter(|_| !matches!(home, Home::Apart(apart) if !apart.is_written_to()));
                Cell { home, cohort, fifth, channel, weeks, people }
            },
        );
        let pending = (0..areas, 0u16..4, 0u8..6, 0u16..14, 0u32..20)
            .prop_map(|(area, cohort, fifth, days, people)| Pending { area, cohort, fifth, days, people });
        (
            prop::collection::vec(any::<u32>().prop_map(place), areas as usize),
            prop::collection::vec(any::<u32>().prop_map(place), sites),
            prop::collection::vec(prop_oneof![Just(0u32), 0u32..12], sites * DAYS),
            prop::collection::vec(prop_oneof![3 => Just(0u32), 1 => 0u32..12], sites * DAYS),
            prop::collection::vec(cell, 0..40),
            prop::collection::vec(pending, 0..6),
        )
            .prop_map(|(areas, sites, slots, booked, cells, pending)| Country {
                areas,
                sites,
                slots,
                booked,
                cells,
                pending,
            })
    })
}

fn aims() -> impl Strategy<Value = Aims> {
    let limit = || prop_oneof![Just(None), (0u64..120).prop_map(Some)];
    let money = prop_oneof![Just(None), (0u64..6_000).prop_map(Some)];
    let size = prop_oneof![Just(u64::MAX), 0u64..400];
    (size, 1u16..5, 0.0f64..3.0, 0.3f64..1.0, (limit(), limit(), limit(), money), any::<u64>(), 0u32..30).prop_map(
        |(size, days, equity, fill, (letters, texts, calls, pence), seed, quota)| Aims {
            size,
            days,
            equity,
            fill,
            limits: Limits { letters, texts, calls, pence, ..Limits::default() },
            quotas: Quotas { restricted: quota, unknown_area: quota / 2, ..Quotas::default() },
            seed,
            ..Aims::default()
        },
    )
}

fn forecast(areas: usize) -> Forecast {
    Forecast::learn(&Prior::default(), Delay::default(), 4, areas, &[])
}

impl Country {
    fn free(&self) -> Slots {
        let mut free = Slots::new(self.sites.len(), DAYS);
        for (place, slots) in self.slots.iter().enumerate() {
            free.open(place / DAYS, place % DAYS, *slots);
            free.book(place / DAYS, place % DAYS, self.booked[place]);
        }
        free
    }

    fn plan(&self, aims: &Aims) -> Allocation {
        let (nearest, free) = (Nearest::find(&self.areas, &self.sites, 3), self.free());
        let forecast = forecast(self.areas.len());
        let setting = Setting { nearest: &nearest, free: &free, pending: &self.pending, forecast: &forecast, aims };
        allocate(&self.cells, &setting).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn everybody_is_accounted_for_once(country in country(), aims in aims()) {
        let plan = country.plan(&aims);
        prop_assert!(plan.account.is_exact(), "{:?}", plan.account);
        let candidates: u64 = country.cells.iter().map(|cell| u64::from(cell.people)).sum();
        prop_assert_eq!(plan.account.all.candidates, candidates);
        let mut granted = vec![0u32; country.cells.len()];
        for grant in &plan.grants {
            prop_assert!(grant.people > 0 && grant.day < aims.days);
            granted[grant.cell as usize] += grant.people;
        }
        prop_assert!(granted.iter().zip(&country.cells).all(|(granted, cell)| *granted <= cell.people));
        let granted: u64 = granted.iter().map(|people| u64::from(*people)).sum();
        prop_assert_eq!(plan.account.all.invited, granted);
        prop_assert_eq!(plan.days.iter().map(|day| day.people).sum::<u64>(), granted);
    }

    #[test]
    fn no_day_is_above_a_limit_and_no_site_above_what_it_has_free(country in country(), aims in aims()) {
        let plan = country.plan(&aims);
        prop_assert!(plan.account.all.invited <= aims.size);
        for (day, used) in plan.days.iter().enumerate() {
            let within = |limit: Option<u64>, used: u64| limit.is_none_or(|limit| used <= limit);
            let limits = &aims.limits;
            prop_assert!(within(limits.letters, used.letters) && within(limits.texts, used.texts), "day {}: {:?}", day, used);
            prop_assert!(within(limits.calls, used.calls) && within(limits.pence, used.pence), "day {}: {:?}", day, used);
            for apart in Apart::ALL {
                let of_route = |grant: &&Grant| {
                    usize::from(grant.day) == day && country.cells[grant.cell as usize].home == Home::Apart(apart)
                };
                let people: u32 = plan.grants.iter().filter(of_route).map(|grant| grant.people).sum();
                prop_assert!(people <= aims.quotas.of(apart));
            }
        }
        for (place, load) in plan.load.iter().enumerate() {
            let (capacity, booked) = (f64::from(country.slots[place]), f64::from(country.booked[place]));
            let room = (capacity * aims.fill - booked).max(0.0);
            prop_assert!(*load <= room + 1e-6, "{} of {}, {} booked", load, capacity, booked);
        }
    }

    #[test]
    fn the_same_input_gives_the_same_plan_in_whatever_order_cells_come(country in country(), aims in aims()) {
        let plan = country.plan(&aims);
        prop_assert_eq!(&country.plan(&aims), &plan);
        // Each kind of cell once, so that no two are interchangeable.
        let mut distinct = country.clone();
        distinct.cells.sort_unstable();
        distinct.cells.dedup_by_key(|cell| Cell { people: 0, ..*cell });
        let mut turned = distinct.clone();
        turned.cells.reverse();
        let by_cell = |country: &Country| {
            let plan = country.plan(&aims);
            let mut grants: Vec<(Cell, u16, u32)> =
                plan.grants.iter().map(|grant| (country.cells[grant.cell as usize], grant.day, grant.people)).collect();
            grants.sort_unstable();
            grants
        };
        prop_assert_eq!(by_cell(&distinct), by_cell(&turned));
    }

    #[test]
    fn more_weight_for_the_deprived_never_invites_fewer_of_them(
        people in prop::collection::vec(1u32..400, 5), slots in 0u32..60, low in 0.0f64..2.0, more in 0.0f64..2.0,
    ) {
        let cells = (1u8..6).zip(&people).map(|(fifth, people)| Cell {
            home: Home::Area(0), cohort: 0, fifth, channel: Some(Channel::Letter), weeks: 0, people: *people,
        });
        let country = Country {
            areas: vec![place(0)], sites: vec![place(1)], slots: vec![slots; DAYS],
            booked: vec![0; DAYS], cells: cells.collect(), pending: vec![],
        };
        let invited = |equity: f64| {
            let plan = country.plan(&Aims { equity, days: 1, ..Aims::default() });
            (plan.account.fifths[&1].invited, plan.account.fifths[&5].invited)
        };
        let (before, after) = (invited(low), invited(low + more));
        // Whole people: one may be carried over to the next cell.
        prop_assert!(after.0 + 1 >= before.0 && after.1 <= before.1 + 1, "{:?} {:?}", before, after);
    }

    #[test]
    fn those_before_in_the_queue_go_first(slots in 0u32..30, weeks in 0u16..12) {
        let cell = |cohort, weeks| Cell {
            home: Home::Area(0), cohort, fifth: 3, channel: Some(Channel::Sms), weeks, people: 200,
        };
        let country = Country {
            areas: vec![place(0)], sites: vec![place(1)], slots: vec![slots; DAYS],
            booked: vec![0; DAYS],
            cells: vec![cell(1, weeks), cell(0, 0)], pending: vec![],
        };
        let aims = Aims { days: 1, ..Aims::default() };
        let plan = country.plan(&aims);
        let invited = |cell: u32| plan.grants.iter().filter(|grant| grant.cell == cell).map(|grant| grant.people).sum::<u32>();
        let (first, second) = if weeks > aims.weeks_a_cohort { (0, 1) } else { (1, 0) };
        if weeks != aims.weeks_a_cohort {
            prop_assert!(invited(second) == 0 || invited(first) == 200, "{} {}", invited(first), invited(second));
        }
    }
}

#[test]
fn nobody_waits_for_ever_behind_those_who_keep_coming() {
    // Every week more people of the highest cohort come than there are appointments for.
    let aims = Aims { days: 5, equity: 0.0, ..Aims::default() };
    let cohorts = 3u16;
    let mut waiting: Vec<Cell> = Vec::new();
    let mut country = Country {
        areas: vec![place(0)],
        sites: vec![place(1)],
        slots: vec![10; DAYS],
        booked: vec![0; DAYS],
        cells: vec![],
        pending: vec![],
    };
    let of = |cohort, people| Cell {
        home: Home::Area(0),
        cohort,
        fifth: 3,
        channel: Some(Channel::Letter),
        weeks: 0,
        people,
    };
    waiting.push(of(cohorts, 30));
    let moves = cohorts * aims.weeks_a_cohort;
    for week in 0..60u16 {
        waiting.push(of(0, 150));
        country.cells = waiting.clone();
        let plan = country.plan(&aims);
        for grant in &plan.grants {
            waiting[grant.cell as usize].people -= grant.people;
        }
        // Once it has waited for as many weeks as move it past all cohorts, it goes before everybody who came later than that.
        let later = waiting.iter().skip(1).enumerate().filter(|(came, _)| *came > usize::from(moves));
        if waiting[0].people > 0 {
            assert!(later.map(|(_, cell)| cell.people).all(|people| people == 150), "overtaken in week {week}");
        }
        waiting.iter_mut().for_each(|cell| cell.weeks += 1);
    }
    assert_eq!(waiting[0].people, 0, "the lowest cohort was never invited");
}

#[test]
fn further_sites_come_into_reach_as_people_wait() {
    let far = Place { latitude: 53.5, longitude: -1.0 };
    let cell =
        |weeks| Cell { home: Home::Area(0), cohort: 0, fifth: 1, channel: Some(Channel::Sms), weeks, people: 10 };
    let country = |weeks| Country {
        areas: vec![place(0)],
        sites: vec![far],
        slots: vec![50; DAYS],
        booked: vec![0; DAYS],
        cells: vec![cell(weeks)],
        pending: vec![],
    };
    let aims = Aims::default();
    let plan = country(0).plan(&aims);
    assert_eq!(plan.account.binding(), Some(Left::Reach));
    assert_eq!(country(8).plan(&aims).account.all.invited, 10);
}

#[test]
fn the_limit_that_binds_is_named() {
    let cells: Vec<Cell> = [Channel::Letter, Channel::Sms]
        .map(|channel| Cell { home: Home::Area(0), cohort: 0, fifth: 2, channel: Some(channel), weeks: 0, people: 500 })
        .into();
    let country = |slots| Country {
        areas: vec![place(0)],
        sites: vec![place(0)],
        slots: vec![slots; DAYS],
        booked: vec![0; DAYS],
        cells: cells.clone(),
        pending: vec![],
    };
    let day = Aims { days: 1, ..Aims::default() };
    let limits = |limits: Limits| Aims { limits, ..day.clone() };
    for (slots, aims, binding) in [
        (1, day.clone(), Some(Left::Appointments)),
        (0, day.clone(), Some(Left::Reach)),
        (1_000, limits(Limits { letters: Some(10), ..Limits::default() }), Some(Left::Letters)),
        (1_000, limits(Limits { texts: Some(10), ..Limits::default() }), Some(Left::Texts)),
        (1_000, limits(Limits { calls: Some(10), ..Limits::default() }), Some(Left::Calls)),
        (1_000, limits(Limits { pence: Some(900), ..Limits::default() }), Some(Left::Budget)),
        (1_000, Aims { size: 20, ..day.clone() }, Some(Left::Size)),
        (1_000, day.clone(), None),
    ] {
        let plan = country(slots).plan(&aims);
        assert_eq!(plan.account.binding(), binding, "{aims:?}: {:?}", plan.account.all);
    }
}

#[test]
fn what_is_seen_outweighs_what_was_believed_the_more_the_more_was_seen() {
    let seen = |invited, answered| Seen { cohort: 0, fifth: 1, area: Some(0), days: 30, invited, answered };
    let chance = |seen: &[Seen]| Forecast::learn(&Prior::default(), Delay::default(), 1, 2, seen).chance(0, 1, Some(0));
    let (none, few, many) = (chance(&[]), chance(&[seen(100, 80)]), chance(&[seen(100_000, 80_000)]));
    assert!(none < few && few < many && (many - 0.8).abs() < 0.01, "{none} {few} {many}");
    // Nobody could have answered on the day itself.
    assert_eq!(chance(&[Seen { days: 0, ..seen(1_000, 0) }]), none);
    // What is planned for comes down to what is expected.
    let care = |seen: &[Seen]| {
        let forecast = Forecast::learn(&Prior::default(), Delay::default(), 1, 2, seen);
        forecast.planned(0, 1, Some(0)) - forecast.chance(0, 1, Some(0))
    };
    assert!(care(&[]) > 0.05 && care(&[seen(100_000, 80_000)]) < 0.005);
    // The most deprived are expected to answer less before anything is seen.
    let forecast = forecast(1);
    assert!(
        forecast.chance(0, 1, None) < forecast.chance(0, 3, None)
            && forecast.chance(0, 3, None) < forecast.chance(0, 5, None)
    );
}

#[test]
fn ways_by_road_are_longer_than_the_great_circle() {
    let (london, manchester) =
        (Place { latitude: 51.5074, longitude: -0.1278 }, Place { latitude: 53.4808, longitude: -2.2426 });
    let straight = london.kilometres_to(manchester) / DETOUR;
    assert!((straight - 262.0).abs() < 1.5, "{straight}");
    let nearest = Nearest::find(&[london, manchester], &[manchester, london, manchester], 2);
    let sites = |area| nearest.of(area).iter().map(|(site, _)| *site).collect::<Vec<_>>();
    assert_eq!((sites(0), sites(1)), (vec![1, 0], vec![0, 2]));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let cell = Cell { home: Home::Area(7), cohort: 0, fifth: 1, channel: Some(Channel::Sms), weeks: 0, people: 1 };
    let country = Country {
        areas: vec![place(0)],
        sites: vec![place(1)],
        slots: vec![1; DAYS],
        booked: vec![0; DAYS],
        cells: vec![],
        pending: vec![],
    };
    let (nearest, free, forecast) = (Nearest::find(&country.areas, &country.sites, 3), country.free(), forecast(1));
    let refusal = |cells: &[Cell], aims: &Aims| {
        let setting = Setting { nearest: &nearest, free: &free, pending: &[], forecast: &forecast, aims };
        allocate(cells, &setting).unwrap_err().to_string()
    };
    assert!(refusal(&[cell], &Aims::default()).starts_with("cells[0].home"));
    let aims = Aims { equity: -1.0, ..Aims::default() };
    assert_eq!(refusal(&[], &aims), "equity must be from 0 to 10: -1");
}
