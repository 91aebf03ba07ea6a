//! One run: an attacker with its levers, after one goal, for a while.

use std::net::IpAddr;

use crate::attacker::{Attacker, PREPARED_MS};
use crate::goals::Goal;
use crate::levers::Mix;
use crate::site::Password;
use crate::visitor::{Ask, Browser};
use crate::world::{PAGE_REQUESTS, World, read_page};

/// The haste at the beginning of ten minutes: so many attempts a second,
const PER_SECOND: u64 = 60;
/// for so many of all attempts, in percent: 30 seconds of a whole run.
const HASTE_PERCENT: u64 = 45;
/// Who is after its neighbours makes more haste: as many requests as an address may make twice over.
const PER_SECOND_AT_NEIGHBOURS: u64 = 200;
/// A neighbour reads a page so often, in attempts.
const ATTEMPTS_PER_VISIT: u64 = 40;

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
    pub(crate) fn attempts(self) -> u64 {
        match self {
            Self::TenMinutes => 4_000,
            Self::Day => 2_000,
        }
    }

    pub(crate) fn ms(self) -> u64 {
        match self {
            Self::TenMinutes => 600_000,
            Self::Day => 86_400_000,
        }
    }

    /// How many of all attempts are made in haste.
    fn hasty(self, attempts: u64) -> u64 {
        if self == Self::Day { 0 } else { attempts * HASTE_PERCENT / 100 }
    }

    /// How long the haste lasts, in milliseconds.
    pub(crate) fn haste_ms(self, goal: Goal, attempts: u64) -> u64 {
        self.hasty(attempts) * 1_000 / per_second(goal)
    }

    /// When an attempt is due, in milliseconds after the beginning.
    fn due_ms(self, goal: Goal, number: u64, attempts: u64) -> u64 {
        let hasty = self.hasty(attempts);
        match number.checked_sub(hasty) {
            None => number * 1_000 / per_second(goal),
            Some(later) => {
                let begun = self.haste_ms(goal, attempts);
                begun + later * (self.ms() - begun) / (attempts - hasty)
            }
        }
    }
}

fn per_second(goal: Goal) -> u64 {
    if goal == Goal::Neighbours { PER_SECOND_AT_NEIGHBOURS } else { PER_SECOND }
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
    let mut neighbours = (goal == Goal::Neighbours).then(|| Neighbours::new(&attacker));
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
    let before = neighbours.as_ref().map_or(0, |neighbours| neighbours.asked);
    for number in 0..attempts {
        let due_ms =
            attacker.time_ms(number, span.due_ms(goal, number, attempts), number * span.ms() / attempts);
        if due_ms >= span.ms() {
            break;
        }
        world.pass_until(PREPARED_MS + due_ms);
        let mut ask = goal.ask(number, &attacker);
        attacker.dress(&mut world, number, &mut ask);
        let gained = world.send(&ask).served().is_some_and(|served| goal.is_served(served));
        let mut gained = u64::from(gained);
        if let Some(neighbours) = &mut neighbours
            && number.is_multiple_of(ATTEMPTS_PER_VISIT)
        {
            gained = neighbours.read(&mut world);
            count.of = neighbours.asked - before;
        }
        count.all += gained;
        count.hasty += if due_ms < span.haste_ms(goal, attempts) { gained } else { 0 };
    }
    count
}

/// Two visitors who were there before the attacker came: one of its address, one of its network.
struct Neighbours {
    both: [(IpAddr, Browser); 2],
    visits: u64,
    asked: u64,
}

impl Neighbours {
    /// One page in so many is followed by signing in.
    const SIGNS_IN: u64 = 4;

    fn new(attacker: &Attacker) -> Self {
        let both = [(attacker.home(), Browser::firefox(143)), (attacker.next_door(), Browser::safari(18))];
        Self { both, visits: 0, asked: 0 }
    }

    /// Each reads a page; gives how many of their requests were refused.
    fn read(&mut self, world: &mut World) -> u64 {
        let number = self.visits;
        self.visits += 1;
        let mut refused = 0;
        for (address, browser) in &self.both {
            refused += read_page(world, *address, browser, number, "");
            self.asked += PAGE_REQUESTS;
            if number.is_multiple_of(Self::SIGNS_IN) {
                self.asked += 1;
                let sign_in = Ask::sign_in(*address, browser, Password::Right);
                refused += u64::from(!world.send(&sign_in).passed());
            }
        }
        refused
    }
}
