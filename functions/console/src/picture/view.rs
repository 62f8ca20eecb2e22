//! What the address asks for, and addresses that ask for something a little different.

use axum::http::StatusCode;
use form_urlencoded::Serializer;

use super::file::{Area, Level, Picture};
use crate::Console;
use crate::layout::Problem;
use crate::source::CampaignRecord;

/// A column to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Name,
    Eligible,
    Vaccinated,
    Coverage,
}

impl Sort {
    pub(crate) const ALL: [Self; 4] = [Self::Name, Self::Eligible, Self::Vaccinated, Self::Coverage];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Eligible => "eligible",
            Self::Vaccinated => "vaccinated",
            Self::Coverage => "coverage",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Name => "Area",
            Self::Eligible => "Eligible",
            Self::Vaccinated => "Vaccinated",
            Self::Coverage => "Coverage",
        }
    }
}

/// The view that the address asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) campaign: String,
    pub(crate) area: String,
    pub(crate) level: Option<Level>,
    pub(crate) sort: Sort,
    pub(crate) is_descending: bool,
}

impl View {
    /// Reads the query; the campaign is the first one where none is named.
    pub(crate) fn read(console: &Console, query: &str, campaigns: &[CampaignRecord]) -> Result<Self, Problem> {
        let mut view = Self {
            campaign: campaigns.first().map(|first| first.definition.campaign.clone()).unwrap_or_default(),
            area: "ENG".to_owned(),
            level: None,
            sort: Sort::Name,
            is_descending: false,
        };
        let wrong = |what: &str, value: &str, known: &str| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "This address cannot be read",
                format!("The {what} '{value}' is not known; it is one of {known}."),
            )
            .link(console.link("/picture"), "Open the picture from the start")
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            match &*name {
                "campaign" => view.campaign = value.into_owned(),
                "area" => view.area = value.into_owned(),
                "level" => {
                    let level = Level::parse(&value);
                    view.level = Some(level.ok_or_else(|| wrong("level", &value, "region, icb and sub_icb"))?);
                }
                "sort" => {
                    let sort = Sort::ALL.into_iter().find(|sort| sort.name() == value);
                    view.sort = sort.ok_or_else(|| wrong("sort", &value, "name, eligible, vaccinated and coverage"))?;
                }
                "order" => {
                    view.is_descending = match &*value {
                        "asc" => false,
                        "desc" => true,
                        _ => return Err(wrong("order", &value, "asc and desc")),
                    };
                }
                _ => {}
            }
        }
        if !campaigns.iter().any(|record| record.definition.campaign == view.campaign) {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "No such campaign",
                format!("There is no campaign '{}'.", view.campaign),
            )
            .link(console.link("/picture"), "Open the picture of a campaign that there is"));
        }
        Ok(view)
    }

    /// The chosen area, and the level to show within it: the one asked for, or the next lower that lies in the area.
    pub(crate) fn place<'a>(&self, console: &Console, picture: &'a Picture) -> Result<(&'a Area, Level), Problem> {
        let Some(area) = picture.area(&self.area) else {
            let there = View { area: "ENG".to_owned(), level: None, ..self.clone() };
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "No such area",
                format!("There is no area '{}' in the picture of {}.", self.area, picture.name),
            )
            .then("An area appears once it has an eligible person.")
            .link(there.link(console), "Show England"));
        };
        let below = area.level.below();
        Ok((area, self.level.map_or(below, |level| level.max(below))))
    }

    /// The address of this view.
    pub(crate) fn link(&self, console: &Console) -> String {
        console.link(&format!("/picture?{}", self.query()))
    }

    /// The address of this view as CSV.
    pub(crate) fn csv_link(&self, console: &Console) -> String {
        console.link(&format!("/picture.csv?{}", self.query()))
    }

    /// The address of this view sorted by a column; the other way round where it is already.
    pub(crate) fn sorted_link(&self, console: &Console, sort: Sort) -> String {
        let is_descending = if sort == self.sort { !self.is_descending } else { sort != Sort::Name };
        Self { sort, is_descending, ..self.clone() }.link(console)
    }

    /// The address of another area; the level is the next below it.
    pub(crate) fn area_link(&self, console: &Console, area: &str) -> String {
        Self { area: area.to_owned(), level: None, ..self.clone() }.link(console)
    }

    fn query(&self) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("campaign", &self.campaign).append_pair("area", &self.area);
        if let Some(level) = self.level {
            query.append_pair("level", level.name());
        }
        if self.sort != Sort::Name || self.is_descending {
            query.append_pair("sort", self.sort.name());
            query.append_pair("order", if self.is_descending { "desc" } else { "asc" });
        }
        query.finish()
    }
}

/// The areas of a level within an area, sorted; withheld values come last either way.
pub(crate) fn sorted<'a>(
    console: &Console,
    picture: &'a Picture,
    area: &'a Area,
    level: Level,
    view: &View,
) -> Vec<(&'a Area, String)> {
    let name = |area: &Area| console.assets().area_name(area.level, &area.code).to_owned();
    let mut rows: Vec<(&Area, String)> = picture.within(area, level).map(|area| (area, name(area))).collect();
    rows.sort_by(|(_, one), (_, other)| one.cmp(other));
    let is_descending = view.is_descending;
    let turned = |ordering: std::cmp::Ordering| if is_descending { ordering.reverse() } else { ordering };
    let value = |area: &Area| -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "people are far fewer than 2^52")]
        match view.sort {
            Sort::Name => None,
            Sort::Eligible => area.coverage.eligible.map(|count| count as f64),
            Sort::Vaccinated => area.coverage.vaccinated.map(|count| count as f64),
            Sort::Coverage => area.coverage.coverage,
        }
    };
    if view.sort == Sort::Name {
        rows.sort_by(|(_, one), (_, other)| turned(one.cmp(other)));
    } else {
        rows.sort_by(|(one, _), (other, _)| match (value(one), value(other)) {
            (Some(one), Some(other)) => turned(one.total_cmp(&other)),
            (one, other) => other.is_some().cmp(&one.is_some()),
        });
    }
    rows
}
