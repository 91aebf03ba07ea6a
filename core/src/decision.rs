//! What is decided about a request, and why.

use serde::{Deserialize, Serialize};

use crate::answers::Watch;
use crate::check::{Check, Evidence};
use crate::features::Features;
use crate::policy::LimitRule;
use crate::site::Lesson;

/// What is done with a request. The numbers are part of the wire formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
pub enum Action {
    /// Passes.
    #[default]
    Allow = 0,
    /// Passes, and is worth a look.
    Monitor = 1,
    /// Must show that it is a browser or a person.
    Challenge = 2,
    /// Too many: 429.
    RateLimit = 3,
    /// Refused: 403.
    Block = 4,
}

impl Action {
    /// All actions, in the order of their numbers.
    pub const ALL: [Action; 5] =
        [Action::Allow, Action::Monitor, Action::Challenge, Action::RateLimit, Action::Block];

    /// The name in headers, API and database.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Allow => "ALLOW",
            Action::Monitor => "MONITOR",
            Action::Challenge => "CHALLENGE",
            Action::RateLimit => "RATE_LIMIT",
            Action::Block => "BLOCK",
        }
    }

    /// The action of a number.
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether the request does not reach the origin.
    pub fn refuses(self) -> bool {
        matches!(self, Action::Challenge | Action::RateLimit | Action::Block)
    }
}

/// What a decision rests on. The numbers are part of the wire formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Basis {
    /// The score and its thresholds.
    #[default]
    Score = 0,
    /// The allow list.
    AllowList = 1,
    /// The deny list.
    DenyList = 2,
    /// A rate limit.
    RateLimit = 3,
    /// A route of class `ignore`: neither judged nor counted.
    Ignored = 4,
    /// What came of verifying a crawler.
    Crawler = 5,
    /// The session's suspicious actions.
    Session = 6,
    /// A trap or probe that another site brought along: refused by itself, and nobody's deed.
    CrossSite = 7,
    /// What is asked for is everybody's, as `/robots.txt` is; or the name of who asks has business there, or none anywhere.
    Agent = 8,
}

impl Basis {
    /// The basis of a number.
    pub fn from_u8(number: u8) -> Option<Self> {
        let all = [
            Self::Score,
            Self::AllowList,
            Self::DenyList,
            Self::RateLimit,
            Self::Ignored,
            Self::Crawler,
            Self::Session,
            Self::CrossSite,
            Self::Agent,
        ];
        all.get(usize::from(number)).copied()
    }
}

/// A judgement.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What to do. Under `enforcement: monitor` the caller lets a refusing action pass and reports it.
    pub action: Action,
    /// What the decision rests on.
    pub basis: Basis,
    /// 0 (certainly a person) to 100 (certainly a bot).
    pub score: f32,
    /// The model's probability that the client is a bot, in [0, 1].
    pub ml_probability: f32,
    /// The seven features.
    pub features: Features,
    /// What the checks found.
    pub evidence: Evidence,
    /// Why, strongest first.
    pub reasons: Reasons,
    /// With RATE_LIMIT: after how many whole seconds to try again.
    pub retry_after_s: Option<u32>,
    /// The limit that the request was over, enforced or in shadow.
    pub limit: Option<OverLimit>,
    /// The rate cells that took the request and are so full that others should know.
    pub charges: Charges,
    /// What it teaches of its site.
    pub lesson: Option<Lesson>,
    /// Whether this was a suspicious action of the request's session.
    pub is_suspicious: bool,
    /// Whether it was judged as a newcomer's: a client that has not proven anything.
    pub is_newcomer: bool,
    /// Whether its records count it as one that was refused.
    pub counts_as_refused: bool,
    /// Where the answer's status matters: hand it to [`crate::Engine::answered`].
    pub watch: Option<Watch>,
}

impl Decision {
    /// Whether it lets a request pass that its records count as refused: then it is for [`crate::Engine::soften`].
    pub fn is_softened(&self) -> bool {
        self.counts_as_refused && !self.action.refuses()
    }
}

/// A limit that a request was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverLimit {
    /// Which.
    pub rule: LimitRule,
    /// Whether the rule is only told of.
    pub is_shadow: bool,
}

/// The rate cells that a request was added to, as far as they are worth sharing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charges([Option<Charge>; 9]);

/// What a rate cell took, for those who share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose cell it is.
    pub rule: LimitRule,
    /// The cell's keyed hash.
    pub key: u64,
    /// How far it pushed the cell, µs: one interval of the limit for each request, or less where the cell has grown.
    pub cost_us: u64,
    /// How far the cell was ahead before at least, µs: what passed untold.
    pub least_us: u64,
}

impl Charges {
    pub(crate) fn add(&mut self, charge: Charge) {
        if let Some(slot) = self.0.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(charge);
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Charge> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// How many reasons a decision keeps.
const REASONS: usize = 6;

/// The reasons of a decision: checks with their points, strongest first.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reasons([Option<(Check, f32)>; REASONS]);

impl Reasons {
    /// A single reason.
    pub fn one(check: Check, points: f32) -> Self {
        let mut reasons = Self::default();
        reasons.add(check, points);
        reasons
    }

    /// Adds a reason in its place by |points|; the weakest falls out where there is no room.
    pub fn add(&mut self, check: Check, points: f32) {
        let mut carried = Some((check, points));
        for slot in &mut self.0 {
            let weaker = slot.is_none_or(|(_, held)| carried.is_some_and(|(_, new)| held.abs() < new.abs()));
            if weaker {
                std::mem::swap(slot, &mut carried);
            }
        }
    }

    /// Adds points to those that a check has already.
    pub(crate) fn add_to(&mut self, check: Check, points: f32) {
        let mut all = Self::default();
        let (same, others): (Vec<_>, Vec<_>) = self.iter().partition(|(other, _)| *other == check);
        others.into_iter().for_each(|(other, held)| all.add(other, held));
        all.add(check, same.into_iter().fold(points, |sum, (_, held)| sum + held));
        *self = all;
    }

    /// The checks and their points: what each adds to an even score of 50, or takes from it.
    pub fn iter(&self) -> impl Iterator<Item = (Check, f32)> + '_ {
        self.0.iter().flatten().copied()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}
