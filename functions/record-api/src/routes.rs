//! What the API answers, and who may ask: one table.
//!
//! The way in, the API's description and the test of who may do what follow it.

/// What a route does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Tells that the function is up.
    Status,
    /// Searches for immunisations.
    Search,
    /// Creates an immunisation.
    Create,
    /// Reads an immunisation.
    Read,
    /// Changes an immunisation.
    Update,
    /// Deletes an immunisation.
    Delete,
    /// Takes an appointment.
    Book,
    /// Describes the API, for programs.
    Describe,
    /// Describes the API, for people.
    Page,
    /// Takes demographics and states of a person.
    Demographics,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a token.
    Anyone,
    /// Suppliers with this permission (`C`, `R`, `U`, `D`, `S`) for the vaccine types concerned.
    Vaccines(char),
    /// Suppliers with this permission for appointments.
    Bookings(char),
    /// Suppliers with this permission for demographics.
    Demographics(char),
}

/// A method of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Method.
    pub method: &'static str,
    /// Path under the stage; `{id}` stands for one segment.
    pub path: &'static str,
    /// What it does.
    pub operation: Operation,
    /// Who may ask.
    pub access: Access,
}

/// All routes. Of two paths that fit, the one that comes first is meant.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    Route { method: "GET", path: "/Immunization", operation: Operation::Search, access: Access::Vaccines('S') },
    Route { method: "POST", path: "/Immunization", operation: Operation::Create, access: Access::Vaccines('C') },
    Route { method: "POST", path: "/Immunization/_search", operation: Operation::Search, access: Access::Vaccines('S') },
    Route { method: "GET", path: "/Immunization/{id}", operation: Operation::Read, access: Access::Vaccines('R') },
    Route { method: "PUT", path: "/Immunization/{id}", operation: Operation::Update, access: Access::Vaccines('U') },
    Route { method: "DELETE", path: "/Immunization/{id}", operation: Operation::Delete, access: Access::Vaccines('D') },
    Route { method: "POST", path: "/Booking", operation: Operation::Book, access: Access::Bookings('C') },
    Route { method: "POST", path: "/Demographics", operation: Operation::Demographics, access: Access::Demographics('C') },
    // The national service has two: one of the API and one of what is behind it.
    Route { method: "GET", path: "/_status", operation: Operation::Status, access: Access::Anyone },
    Route { method: "GET", path: "/_ping", operation: Operation::Status, access: Access::Anyone },
    Route { method: "GET", path: "/openapi.json", operation: Operation::Describe, access: Access::Anyone },
    Route { method: "GET", path: "/docs", operation: Operation::Page, access: Access::Anyone },
];

/// The routes of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<'p> {
    routes: Vec<&'static Route>,
    id: &'p str,
}

impl<'p> Place<'p> {
    /// The place that a path names; slashes at its ends do not matter.
    pub(crate) fn of(path: &'p str) -> Self {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let Some((fitting, id)) = ROUTES.iter().find_map(|route| Some((route.path, fit(route.path, &segments)?)))
        else {
            return Self { routes: Vec::new(), id: "" };
        };
        Self { routes: ROUTES.iter().filter(|route| route.path == fitting).collect(), id }
    }

    /// Whether there is such a path.
    pub(crate) fn is_known(&self) -> bool {
        !self.routes.is_empty()
    }

    /// Whether anyone may ask here.
    pub(crate) fn is_open(&self) -> bool {
        self.is_known() && self.routes.iter().all(|route| route.access == Access::Anyone)
    }

    /// The route of a method.
    pub(crate) fn route(&self, method: &str) -> Option<&'static Route> {
        self.routes.iter().copied().find(|route| route.method == method)
    }

    /// The methods that are allowed here.
    pub(crate) fn methods(&self) -> String {
        self.routes.iter().map(|route| route.method).collect::<Vec<_>>().join(", ")
    }

    /// The segment that `{id}` stands for; empty where the path has none.
    pub(crate) fn id(&self) -> &'p str {
        self.id
    }
}

/// The segment that `{id}` stands for (empty where there is none), where a path fits a pattern.
fn fit<'p>(pattern: &str, segments: &[&'p str]) -> Option<&'p str> {
    let pattern: Vec<&str> = pattern.trim_matches('/').split('/').collect();
    if pattern.len() != segments.len() {
        return None;
    }
    let mut id = "";
    for (wanted, segment) in pattern.into_iter().zip(segments) {
        if wanted == "{id}" {
            id = segment;
        } else if wanted != *segment {
            return None;
        }
    }
    Some(id)
}
