//! One run: an attacker with its levers, after one goal, for a while.

use crate::attacker::{Attacker, PREPARED_MS};
use crate::goals::Goal;
use crate::levers::Mix;
use crate::neighbours::Neighbours;
use crate::world::World;

/// How much haste an attacker makes at the beginning of ten minutes.
struct Haste {
    per_second: u64,
    /// Of all attempts.
    percent: u64,
}

/// 30 seconds of a whole run.
const HASTE: Haste = Haste { per_second: 60, percent: 45 };
/// Who is after its neighbours makes more: twice what an address may, for 20 seconds.
const HASTE_AT_NEIGHBOURS: Haste = Haste { per_second: 200, percent: 80 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// As fast as it likes for 30 s, then evenly for the rest.
    TenMinutes,
    /// Evenly.
    Day,
}

impl Span {
    pub(crate) const ALL: [Self; 2] = [Self::TenMinutes, Self::Day];

    /// As it stands in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TenMinutes => "ten minutes",
            Self::Day => "a day",
        }
    }

    /// How many attempts a run makes.
    pub(crate) fn attempts(self, goal: Goal) -> u64 {
        match (self, goal) {
            (Self::TenMinutes, Goal::Neighbours) => 5_000,
            (Self::TenMinutes, _) => 4_000,
            (Self::Day, _) => 2_000,
        }
    }

    /// How often neighbours read a page, in milliseconds.
    fn visit_ms(self) -> u64 {
        match self {
            Self::TenMinutes => 5_000,
            Self::Day => 300_000,
        }
    }

    pub(crate) fn ms(self) -> u64 {
        match self {
            Self::TenMinutes => 600_000,
            Self::Day => 86_400_000,
        }
    }

    /// How many of all attempts are made in haste.
    fn hasty(self, goal: Goal, attempts: u64) -> u64 {
        if self == Self::Day { 0 } else { attempts * haste(goal).percent / 100 }
    }

    /// How long the haste lasts, in milliseconds.
    pub(crate) fn haste_ms(self, goal: Goal, attempts: u64) -> u64 {
        self.hasty(goal, attempts) * 1_000 / haste(goal).per_second
    }

    /// When an attempt is due, in milliseconds after the beginning.
    fn due_ms(self, goal: Goal, number: u64, attempts: u64) -> u64 {
        let hasty = self.hasty(goal, attempts);
        match number.checked_sub(hasty) {
            None => number * 1_000 / haste(goal).per_second,
            Some(later) => {
                let begun = self.haste_ms(goal, attempts);
                begun + later * (self.ms() - begun) / (attempts - hasty)
            }
        }
    }
}

fn haste(goal: Goal) -> Haste {
    if goal == Goal::Neighbours { HASTE_AT_NEIGHBOURS } else { HASTE }
}

/// How many attempts got through; where neighbours are the goal, how many of their requests were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// While it made haste.
    pub(crate) hasty: u64,
    pub(crate) all: u64,
    /// What others asked for, where neighbours are the goal.
    pub(crate) of: u64,
}

pub(crate) fn run(goal: Goal, span: Span, mix: &Mix, attempts: u64) -> Count {
    let mut world = World::new();
    let mut attacker = Attacker::new(mix.clone(), 7);
    let mut neighbours = (goal == Goal::Neighbours).then(|| Neighbours::of(&attacker));
    for ms in (0..PREPARED_MS).step_by(500) {
        world.pass_until(ms);
        attacker.prepare(&mut world, ms);
        if let Some(neighbours) = &mut neighbours
            && ms.is_multiple_of(9_000)
        {
            neighbours.read(&mut world);
        }
    }
    let mut count = Count::default();
    let mut visit_ms = 0;
    for number in 0..attempts {
        let evenly_ms = number * span.ms() / attempts;
        let due_ms = attacker.time_ms(number, span.due_ms(goal, number, attempts), evenly_ms);
        if due_ms >= span.ms() {
            break;
        }
        let mut gain = |at_ms: u64, gained: u64| {
            count.all += gained;
            count.hasty += if at_ms < span.haste_ms(goal, attempts) { gained } else { 0 };
        };
        while let Some(neighbours) = &mut neighbours
            && visit_ms <= due_ms
        {
            world.pass_until(PREPARED_MS + visit_ms);
            let (asked, refused) = neighbours.read(&mut world);
            gain(visit_ms, refused);
            count.of += asked;
            visit_ms += span.visit_ms();
        }
        world.pass_until(PREPARED_MS + due_ms);
        let mut ask = goal.ask(number, &attacker);
        attacker.dress(&mut world, number, &mut ask);
        let gained = world.send(&ask).served().is_some_and(|served| goal.is_served(served));
        gain(due_ms, u64::from(gained));
    }
    count
}
