//! Waves: their states, what people and the schedule do to them, and which of that is allowed.
//!
//! A wave goes from a draft (selecting, selected) through a review and an approval by two people, neither of them its
//! author, to its release. Stopping takes both back: what was stopped is reviewed and approved anew.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// State of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaveState {
    /// A draft: parts are being selected.
    Selecting,
    /// A draft: all candidates are known; waits for a review.
    Selected,
    /// Reviewed; waits for the approval of somebody else.
    Reviewed,
    /// Approved; waits for release.
    Approved,
    /// Claims are out; messages may leave.
    Released,
    /// Nothing leaves until resumed.
    Paused,
    /// Nothing leaves until reviewed, approved and released anew; what waits is kept.
    Stopped,
    /// Over: what has not left is withdrawn.
    Closed,
}

impl WaveState {
    /// All states, in the order in which a wave may come to them.
    pub const ALL: [Self; 8] = [
        Self::Selecting,
        Self::Selected,
        Self::Reviewed,
        Self::Approved,
        Self::Released,
        Self::Paused,
        Self::Stopped,
        Self::Closed,
    ];

    /// The name used in items.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Selecting => "selecting",
            Self::Selected => "selected",
            Self::Reviewed => "reviewed",
            Self::Approved => "approved",
            Self::Released => "released",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Closed => "closed",
        }
    }
}

/// What can be done to a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaveAction {
    /// Plan it, on a snapshot and a version of the campaign.
    Plan,
    /// Say that whom it would write to is right.
    Review,
    /// Say, as somebody else, that it may go.
    Approve,
    /// Let it go: at first its canary alone.
    Release,
    /// Say that what went to the canary is right, so that the rest may go.
    Confirm,
    /// Hold it for now.
    Pause,
    /// Let it go on.
    Resume,
    /// Hold it until it is reviewed and approved anew.
    Stop,
    /// End it.
    Close,
}

impl WaveAction {
    /// What people can do to a wave that is planned.
    pub const ORDERS: [Self; 8] =
        [Self::Review, Self::Approve, Self::Release, Self::Confirm, Self::Pause, Self::Resume, Self::Stop, Self::Close];

    /// The name used in requests, items and the audit trail.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Review => "review",
            Self::Approve => "approve",
            Self::Release => "release",
            Self::Confirm => "confirm",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Close => "close",
        }
    }

    /// The action with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ORDERS.into_iter().chain([Self::Plan]).find(|action| action.name() == name)
    }

    /// Whether somebody in a role may do it: planners everything; engineers hold a wave, so that whoever is awake can.
    #[must_use]
    pub fn is_for(self, role: &str) -> bool {
        role == "planner" || (role == "engineer" && matches!(self, Self::Pause | Self::Stop))
    }

    /// States in which it may be done.
    #[must_use]
    pub fn from(self) -> &'static [WaveState] {
        use WaveState::{Approved, Paused, Released, Reviewed, Selected, Selecting, Stopped};
        match self {
            Self::Plan => &[],
            Self::Review => &[Selected, Stopped],
            Self::Approve => &[Reviewed],
            Self::Release => &[Approved],
            Self::Confirm | Self::Pause => &[Released],
            Self::Resume => &[Paused],
            Self::Stop => &[Selected, Reviewed, Approved, Released, Paused],
            Self::Close => &[Selecting, Selected, Reviewed, Approved, Released, Paused, Stopped],
        }
    }

    fn to(self) -> WaveState {
        match self {
            Self::Plan => WaveState::Selecting,
            Self::Review => WaveState::Reviewed,
            Self::Approve => WaveState::Approved,
            Self::Release | Self::Confirm | Self::Resume => WaveState::Released,
            Self::Pause => WaveState::Paused,
            Self::Stop => WaveState::Stopped,
            Self::Close => WaveState::Closed,
        }
    }

    /// Whether it lets messages go, so that it must be done on the wave as it stands.
    fn lets_go(self) -> bool {
        matches!(self, Self::Review | Self::Approve | Self::Release | Self::Confirm | Self::Resume)
    }
}

/// What was done to a wave, by whom, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// What.
    pub action: WaveAction,
    /// Who: the name in a verified token, or the function that acts on the schedule.
    pub by: String,
    /// Their role; `schedule` for the function.
    pub role: String,
    /// When, by the system clock.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The wave's version on which it was done.
    pub version: u64,
}

/// Why something cannot be done to a wave.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WaveRefusal {
    /// Its state does not allow it.
    #[error("wave '{wave}' of campaign '{campaign}' is {state}; {action} needs one that is {needed}")]
    State {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Its state.
        state: &'static str,
        /// What was asked.
        action: &'static str,
        /// States that allow it.
        needed: String,
    },
    /// Somebody else must do it.
    #[error("{action} of wave '{wave}' of campaign '{campaign}' is for somebody else than '{by}', {why}")]
    SamePerson {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// What was asked.
        action: &'static str,
        /// By whom.
        by: String,
        /// Why not by them.
        why: &'static str,
    },
    /// The wave is no longer the one that was looked at.
    #[error("wave '{wave}' of campaign '{campaign}' has version {held}, not {seen}: look at it again")]
    Changed {
        /// Campaign.
        campaign: String,
        /// Wave.
        wave: String,
        /// Version that was looked at.
        seen: u64,
        /// Version held.
        held: u64,
    },
}

/// A wave: the people selected from one manifest by one version of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Campaign.
    pub campaign: String,
    /// Short name, unique in the campaign.
    pub wave: String,
    /// State.
    pub state: WaveState,
    /// The business day of selection: rules are evaluated as of this day.
    pub selected_on: Date,
    /// Snapshot manifest it is pinned to.
    pub manifest: String,
    /// Version of the campaign definition it is pinned to.
    pub definition: u32,
    /// Cohorts it is limited to; everyone where empty.
    pub cohorts: Vec<String>,
    /// Snapshot parts to select from.
    pub parts: u32,
    /// People who are eligible (answer other than NotEligible) in the parts selected so far.
    #[serde(default)]
    pub eligible: u64,
    /// Candidates in the parts selected so far.
    #[serde(default)]
    pub candidates: u64,
    /// Claims that the release cut.
    #[serde(default)]
    pub claims: u32,
    /// Whether all claims of the last release or resumption reached the queue; until then the schedule sends them again.
    #[serde(default)]
    pub claims_sent: bool,
    /// The business day on which it was first released.
    #[serde(default)]
    pub released_on: Option<Date>,
    /// Who wrote it: the authors of its version of the campaign, and whoever planned it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// All that was done to it, in order.
    #[serde(default)]
    pub deeds: Vec<Deed>,
    /// Rises by one with every write.
    #[serde(default)]
    pub version: u64,
}

/// Fewest people of a canary.
const CANARY_LEAST: u64 = 500;
/// The share of a wave that is its canary: one in so many.
const CANARY_SHARE: u64 = 100;

/// Whether two names are one person's, however they are written.
fn is_same(one: &str, other: &str) -> bool {
    let plain = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    plain(one) == plain(other)
}

impl Wave {
    /// Whether somebody wrote it.
    #[must_use]
    pub fn is_author(&self, name: &str) -> bool {
        self.authors.iter().any(|author| is_same(author, name))
    }

    /// The review that stands, or the approval: done since it was last stopped.
    #[must_use]
    pub fn standing(&self, action: WaveAction) -> Option<&Deed> {
        self.deeds.iter().rev().take_while(|deed| deed.action != WaveAction::Stop).find(|deed| deed.action == action)
    }

    /// How many of its people go out alone at first: one in a hundred, at least 500, or all.
    #[must_use]
    pub fn canary(&self) -> u64 {
        self.candidates.div_ceil(CANARY_SHARE).max(CANARY_LEAST).min(self.candidates)
    }

    /// Whether the rest of it waits until its canary is confirmed.
    #[must_use]
    pub fn waits_for_confirmation(&self) -> bool {
        self.canary() < self.candidates && self.standing(WaveAction::Confirm).is_none()
    }

    /// Why a person, whatever their role, cannot do something to it as it stands.
    ///
    /// # Errors
    /// The refusal.
    pub fn check(&self, action: WaveAction, by: &str) -> Result<(), WaveRefusal> {
        if !action.from().contains(&self.state) {
            let needed: Vec<&str> = action.from().iter().map(|state| state.name()).collect();
            return Err(WaveRefusal::State {
                campaign: self.campaign.clone(),
                wave: self.wave.clone(),
                state: self.state.name(),
                action: action.name(),
                needed: needed.join(" or "),
            });
        }
        let why = match action {
            WaveAction::Review | WaveAction::Approve if self.is_author(by) => "who wrote it",
            WaveAction::Approve if self.standing(WaveAction::Review).is_none_or(|review| is_same(&review.by, by)) => {
                "who reviewed it"
            }
            _ => return Ok(()),
        };
        Err(WaveRefusal::SamePerson {
            campaign: self.campaign.clone(),
            wave: self.wave.clone(),
            action: action.name(),
            by: by.to_owned(),
            why,
        })
    }

    /// The wave after a deed; `None` where that very deed was done before, or holds already.
    ///
    /// What lets messages go is done on the version that was looked at, so that a request which comes again after somebody
    /// stopped the wave lets nothing go. Holding is done on the wave as it stands.
    ///
    /// # Errors
    /// Where it cannot be done.
    pub fn after(&self, deed: Deed) -> Result<Option<Self>, WaveRefusal> {
        let is_that =
            |held: &Deed| held.action == deed.action && is_same(&held.by, &deed.by) && held.version == deed.version;
        let holds = match deed.action {
            WaveAction::Review | WaveAction::Approve => false,
            WaveAction::Confirm => self.state == WaveState::Released && !self.waits_for_confirmation(),
            action => self.state == action.to(),
        };
        if holds || (deed.action.lets_go() && self.deeds.iter().any(is_that)) {
            return Ok(None);
        }
        self.check(deed.action, &deed.by)?;
        if deed.action.lets_go() && deed.version != self.version {
            return Err(WaveRefusal::Changed {
                campaign: self.campaign.clone(),
                wave: self.wave.clone(),
                seen: deed.version,
                held: self.version,
            });
        }
        let mut next = Self { state: deed.action.to(), claims_sent: false, version: self.version + 1, ..self.clone() };
        next.deeds.push(Deed { version: self.version, ..deed });
        Ok(Some(next))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn draft() -> Wave {
        Wave {
            campaign: "flu-2025".into(),
            wave: "w1".into(),
            state: WaveState::Selected,
            selected_on: date(2025, 10, 6),
            manifest: "m".into(),
            definition: 1,
            cohorts: vec![],
            parts: 1,
            eligible: 10,
            candidates: 8,
            claims: 0,
            claims_sent: false,
            released_on: None,
            authors: vec!["Ann Author".into()],
            deeds: vec![],
            version: 2,
        }
    }

    fn deed(action: WaveAction, by: &str, version: u64) -> Deed {
        let at = Timestamp::UNIX_EPOCH;
        Deed { action, by: by.into(), role: "planner".into(), at, reason: "as planned".into(), version }
    }

    fn told(result: Result<Option<Wave>, WaveRefusal>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn it_takes_two_people_who_did_not_write_it() {
        use WaveAction::{Approve, Release, Review};
        let wave = draft();
        assert!(told(wave.after(deed(Approve, "Ben", 2))).contains("is selected; approve needs one that is reviewed"));
        assert!(told(wave.after(deed(Release, "Ben", 2))).contains("needs one that is approved"));
        assert!(told(wave.after(deed(Review, " ann  AUTHOR", 2))).contains("who wrote it"));
        let reviewed = wave.after(deed(Review, "Ben", 2)).unwrap().unwrap();
        assert!(told(reviewed.after(deed(Approve, "BEN", 3))).contains("who reviewed it"));
        assert!(told(reviewed.after(deed(Approve, "Ann Author", 3))).contains("who wrote it"));
        assert!(told(reviewed.after(deed(Review, "Cat", 3))).contains("is reviewed"), "no second review");
        assert!(told(reviewed.after(deed(Approve, "Cat", 2))).contains("has version 3, not 2"));
        let approved = reviewed.after(deed(Approve, "Cat", 3)).unwrap().unwrap();
        assert_eq!((approved.state, approved.version), (WaveState::Approved, 4));
        assert_eq!(approved.standing(Review).map(|deed| deed.by.as_str()), Some("Ben"));
        let released = approved.after(deed(Release, "Ann Author", 4)).unwrap().unwrap();
        assert_eq!(released.state, WaveState::Released, "its author may let go what two others agreed to");
    }

    #[test]
    fn a_request_that_comes_again_does_nothing_and_nothing_after_a_stop() {
        use WaveAction::{Approve, Release, Review, Stop};
        let mut wave = draft();
        let said = [deed(Review, "Ben", 2), deed(Approve, "Cat", 3), deed(Release, "Cat", 4)];
        for deed in &said {
            wave = wave.after(deed.clone()).unwrap().unwrap();
            assert_eq!(wave.after(deed.clone()), Ok(None));
        }
        let stopped = wave.after(deed(Stop, "Dan", 0)).unwrap().unwrap();
        assert_eq!(stopped.after(deed(Stop, "Ben", 99)), Ok(None), "whoever stops it again");
        for deed in &said {
            assert_eq!(stopped.after(deed.clone()), Ok(None), "{:?} was done then and is not done now", deed.action);
        }
        assert!(told(stopped.after(deed(WaveAction::Resume, "Ben", stopped.version))).contains("is stopped"));
        let again = stopped.after(deed(Review, "Cat", stopped.version)).unwrap().unwrap();
        assert!(told(again.after(deed(Approve, "Cat", again.version))).contains("who reviewed it"));
        let again = again.after(deed(Approve, "Ben", again.version)).unwrap().unwrap();
        assert_eq!(again.state, WaveState::Approved);
    }

    #[test]
    fn holding_needs_no_version_and_what_is_closed_stays_closed() {
        use WaveAction::{Close, Pause, Resume, Stop};
        let released = Wave { state: WaveState::Released, version: 9, ..draft() };
        let paused = released.after(deed(Pause, "Ann Author", 1)).unwrap().unwrap();
        assert!(told(paused.after(deed(Resume, "Ben", 9))).contains("version 10"));
        assert_eq!(paused.after(deed(Resume, "Ben", 10)).unwrap().unwrap().state, WaveState::Released);
        let closed = paused.after(deed(Close, "Ben", 1)).unwrap().unwrap();
        for action in WaveAction::ORDERS.into_iter().filter(|action| *action != Close) {
            assert!(told(closed.after(deed(action, "Ben", closed.version))).contains("is closed"), "{action:?}");
        }
        assert!(WaveAction::Stop.is_for("engineer") && !WaveAction::Resume.is_for("engineer"));
        assert!(!Stop.is_for("analyst") && !Stop.is_for("schedule"));
    }

    #[test]
    fn the_rest_of_a_wave_waits_until_its_canary_is_confirmed() {
        use WaveAction::{Approve, Confirm, Release, Review, Stop};
        for (candidates, canary, waits) in [
            (0, 0, false),
            (499, 499, false),
            (500, 500, false),
            (501, 500, true),
            (60_000, 600, true),
            (60_001, 601, true),
        ] {
            let wave = Wave { candidates, ..draft() };
            assert_eq!((wave.canary(), wave.waits_for_confirmation()), (canary, waits), "{candidates}");
        }
        let mut wave = Wave { candidates: 1_000, ..draft() };
        assert!(told(wave.after(deed(Confirm, "Ben", 2))).contains("confirm needs one that is released"));
        for (action, by) in [(Review, "Ben"), (Approve, "Cat"), (Release, "Ann Author"), (Confirm, "Ben")] {
            wave = wave.after(deed(action, by, wave.version)).unwrap().unwrap();
        }
        assert!(!wave.waits_for_confirmation());
        assert_eq!(wave.after(deed(Confirm, "Cat", wave.version)), Ok(None));
        let stopped = wave.after(deed(Stop, "Cat", 0)).unwrap().unwrap();
        assert!(stopped.waits_for_confirmation(), "what is agreed to anew begins with a canary anew");
    }

    proptest! {
        /// Whatever is asked by whom, in any order and again, on any version: messages may leave only under a review and an
        /// approval by two people, neither of them an author, since the wave was last stopped.
        #[test]
        fn nothing_leaves_without_two_people(
            asked in prop::collection::vec((0usize..8, 0usize..4, prop::option::of(0u64..12), prop::bool::weighted(0.2)), 1..60)
        ) {
            let names = ["Ann Author", "Ben", "Cat", "ben"];
            let mut wave = draft();
            let mut said: Vec<Deed> = Vec::new();
            for (action, by, version, again) in asked {
                let old = said.get(by).filter(|_| again).cloned();
                let asked = old.unwrap_or_else(|| {
                    deed(WaveAction::ORDERS[action], names[by], version.unwrap_or(wave.version))
                });
                said.push(asked.clone());
                let Ok(Some(next)) = wave.after(asked) else { continue };
                prop_assert_eq!(next.version, wave.version + 1);
                wave = next;
                if matches!(wave.state, WaveState::Approved | WaveState::Released | WaveState::Paused) {
                    let since = wave.deeds.iter().rposition(|deed| deed.action == WaveAction::Stop).map_or(0, |at| at + 1);
                    let by = |action| {
                        let deeds = wave.deeds[since..].iter().filter(move |deed| deed.action == action);
                        deeds.map(|deed| deed.by.to_lowercase()).collect::<Vec<_>>()
                    };
                    let (reviewed, approved) = (by(WaveAction::Review), by(WaveAction::Approve));
                    prop_assert_eq!((reviewed.len(), approved.len()), (1, 1), "{:?}", wave.deeds);
                    prop_assert!(reviewed != approved && !reviewed.contains(&"ann author".to_owned()));
                    prop_assert!(!approved.contains(&"ann author".to_owned()));
                }
            }
        }
    }
}
