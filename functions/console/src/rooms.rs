//! Which role may enter which room: one table, from which the navigation and every refusal follow.

/// What a member of staff is here for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Plans campaigns and their waves.
    Planner,
    /// Analyses coverage.
    Analyst,
    /// Keeps the system running.
    Engineer,
    /// Makes recall calls; sees of a person what a call needs, through the call list.
    Agent,
    /// Answers for people's records: looks a person up, with a reason.
    RecordsOfficer,
    /// Looks at who looked: the audit trail, and nobody's record.
    Auditor,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Planner, Self::Analyst, Self::Engineer, Self::Agent, Self::RecordsOfficer, Self::Auditor];

    /// The name in a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Analyst => "analyst",
            Self::Engineer => "engineer",
            Self::Agent => "agent",
            Self::RecordsOfficer => "records-officer",
            Self::Auditor => "auditor",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The rooms it may enter, in the order of the navigation.
    pub fn rooms(self) -> impl Iterator<Item = Room> {
        TABLE.iter().filter(move |(_, roles)| roles.contains(&self)).map(|(room, _)| *room)
    }
}

/// A room of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Funnel and coverage of a campaign.
    Picture,
    /// Campaigns and their rules.
    Campaigns,
    /// Waves of all campaigns.
    Waves,
    /// What became of texts and letters, and their templates.
    Messages,
    /// One person's record.
    Person,
    /// Records that wait to be matched.
    Matching,
    /// Feed files and their acknowledgements.
    Feeds,
    /// Who read, searched for or changed whom.
    Audit,
    /// Queues, feed files, snapshot.
    System,
}

/// Who may enter which room. Planners, analysts and engineers work with counts and files, and see no person; an auditor
/// sees who looked, and not what they saw.
const TABLE: [(Room, &[Role]); 9] = [
    (Room::Picture, &[Role::Planner, Role::Analyst, Role::Engineer]),
    (Room::Campaigns, &[Role::Planner, Role::Analyst, Role::Engineer]),
    (Room::Waves, &[Role::Planner, Role::Engineer]),
    (Room::Messages, &[Role::Planner, Role::Analyst, Role::Engineer]),
    (Room::Person, &[Role::RecordsOfficer]),
    (Room::Matching, &[Role::RecordsOfficer]),
    (Room::Feeds, &[Role::Planner, Role::Engineer, Role::RecordsOfficer]),
    (Room::Audit, &[Role::Auditor]),
    (Room::System, &[Role::Engineer]),
];

impl Room {
    /// All rooms.
    pub const ALL: [Self; 9] = [
        Self::Picture,
        Self::Campaigns,
        Self::Waves,
        Self::Messages,
        Self::Person,
        Self::Matching,
        Self::Feeds,
        Self::Audit,
        Self::System,
    ];

    /// The name in the navigation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Picture => "Picture",
            Self::Campaigns => "Campaigns",
            Self::Waves => "Waves",
            Self::Messages => "Messages",
            Self::Person => "Person",
            Self::Matching => "Matching",
            Self::Feeds => "Feeds",
            Self::Audit => "Audit",
            Self::System => "System",
        }
    }

    /// Its address, below the base path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Picture => "/picture",
            Self::Campaigns => "/campaigns",
            Self::Waves => "/waves",
            Self::Messages => "/messages",
            Self::Person => "/person",
            Self::Matching => "/matching",
            Self::Feeds => "/feeds",
            Self::Audit => "/audit",
            Self::System => "/system",
        }
    }

    /// The roles that may enter.
    #[must_use]
    pub fn roles(self) -> &'static [Role] {
        TABLE.iter().find(|(room, _)| *room == self).map_or(&[], |(_, roles)| roles)
    }

    /// Whether a role may enter.
    #[must_use]
    pub fn admits(self, role: Role) -> bool {
        self.roles().contains(&role)
    }
}
