//! Coverage of areas within areas and of the groups in each, with small counts withheld.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ims_uptake::{Area, Published, ReleasedArea, Rule, UNKNOWN, release_areas};

use crate::coverage::{Groups, Line, Tally, WITHIN_AREAS};
use crate::picture::{AreaCoverage, Cell, GroupCoverage, Level};

/// Code of the nation.
const NATION: &str = "ENG";

const WITHHELD: Published = Published { eligible: None, vaccinated: None };

/// An area before its counts are released.
struct Node {
    code: String,
    level: Level,
    parent: usize,
    groups: Groups,
    /// As the export publishes it, where it does.
    published: Option<Published>,
    /// Whether it is left out, and only counted in what it adds up to.
    is_left_out: bool,
}

/// Every area's coverage. What the `lines` of the export show is shown here alike, and what they withhold is withheld,
/// since both may be laid side by side.
pub(crate) fn areas(tally: &Tally, lines: &[Line], rule: &Rule) -> Vec<AreaCoverage> {
    let exported: HashMap<(&str, &str), Published> =
        lines.iter().map(|line| ((line.breakdown, line.group.as_str()), line.published)).collect();
    let nodes = nodes(tally, &exported);
    let mut names: [Vec<&'static str>; WITHIN_AREAS.len()] = Default::default();
    for (names, by) in names.iter_mut().zip(&nodes[0].groups.by) {
        let found: BTreeSet<(bool, u32, &str)> = by.keys().map(|name| place(name)).collect();
        *names = found.into_iter().filter_map(|(_, _, name)| by.get_key_value(name).map(|(name, _)| *name)).collect();
    }
    let counted: Vec<Area> = nodes
        .iter()
        .map(|node| {
            let by = names.iter().zip(&node.groups.by);
            let counts =
                by.map(|(names, by)| names.iter().map(|name| by.get(name).copied().unwrap_or_default()).collect());
            Area { parent: node.parent, all: node.groups.all, published: node.published, groups: counts.collect() }
        })
        .collect();
    let exported = |breakdown: &str, group: &str| exported.get(&(breakdown, group)).copied().unwrap_or(WITHHELD);
    let first = ReleasedArea {
        all: exported("all", "all"),
        groups: WITHIN_AREAS
            .iter()
            .zip(&names)
            .map(|(breakdown, names)| names.iter().map(|name| exported(breakdown, name)).collect())
            .collect(),
    };
    let released = release_areas(first, &counted, rule);
    let shown = nodes.iter().zip(&counted).zip(&released).filter(|((node, _), _)| !node.is_left_out);
    shown
        .map(|((node, counted), released)| AreaCoverage {
            code: node.code.clone(),
            level: node.level,
            parent: (node.level != Level::Nation).then(|| nodes[node.parent].code.clone()),
            coverage: Cell::from(&released.all),
            groups: groups(&names, counted, released),
        })
        .collect()
}

/// A group's place among those of its breakdown: by its first number, then by name, what is unknown last.
fn place(name: &str) -> (bool, u32, &str) {
    let number = name.split(['-', '+']).next().and_then(|first| first.parse().ok()).unwrap_or(0);
    (name == UNKNOWN, number, name)
}

/// The groups of an area. One without anybody is left out where that is published.
fn groups(
    names: &[Vec<&'static str>],
    counted: &Area,
    released: &ReleasedArea,
) -> BTreeMap<String, Vec<GroupCoverage>> {
    let breakdowns = WITHIN_AREAS.iter().zip(names).zip(counted.groups.iter().zip(&released.groups));
    breakdowns
        .map(|((breakdown, names), (counts, shown))| {
            let cells = names.iter().zip(counts.iter().zip(shown));
            let kept = cells.filter(|(_, (count, shown))| count.eligible > 0 || shown.is_suppressed());
            let groups = kept
                .map(|(name, (_, shown))| GroupCoverage { group: (*name).to_owned(), coverage: Cell::from(shown) })
                .collect();
            ((*breakdown).to_owned(), groups)
        })
        .collect()
}

/// The nation, regions, ICBs and sub-ICBs, each after the area that holds it.
fn nodes(tally: &Tally, exported: &HashMap<(&str, &str), Published>) -> Vec<Node> {
    let node = |code: &str, level: Level, parent: usize, published: Option<Published>| Node {
        code: code.to_owned(),
        level,
        parent,
        groups: Groups::default(),
        published,
        is_left_out: false,
    };
    let mut nodes = vec![node(NATION, Level::Nation, 0, None)];
    for (region, icbs) in &tally.within {
        let region_place = nodes.len();
        nodes.push(node(region, Level::Region, 0, exported.get(&("region", region)).copied()));
        for (icb, subs) in icbs {
            let icb_place = nodes.len();
            // Of an ICB that the source puts in two regions the export shows the whole, so its parts cannot be shown.
            let is_split = tally.is_split(region, icb);
            let published = if is_split { Some(WITHHELD) } else { exported.get(&("icb", icb)).copied() };
            nodes.push(Node { is_left_out: is_split, ..node(icb, Level::Icb, region_place, published) });
            for (sub, groups) in subs {
                let sub_icb = node(sub, Level::SubIcb, icb_place, None);
                nodes.push(Node { groups: groups.clone(), is_left_out: is_split, ..sub_icb });
                for place in [0, region_place, icb_place] {
                    nodes[place].groups.merge(groups);
                }
            }
        }
    }
    nodes
}
