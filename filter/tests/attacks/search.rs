//! The mix: a seeded random search over all free levers for what gets furthest.

use crate::dice::Dice;
use crate::goals::Goal;
use crate::levers::{Lever, Mix, Price};
use crate::runs::{Span, run};

/// A try is a shorter run: one in so many attempts of a whole one.
const SHORTER: u64 = 6;
/// Who is after its neighbours needs longer to fill an address's limit.
const SHORTER_AT_NEIGHBOURS: u64 = 3;
/// What gets through in haste counts so many times: there the bounds are tight.
const HASTE: u64 = 4;
/// So many mixes are drawn, and so many are the best one with a change.
const DRAWN: u64 = 8;
const CHANGED: u64 = 12;

/// The best mix found for a goal: of levers that leave the attacker at its address, or also of those that leave it in its
/// network, each request from another part of it. `alone` is the lever that got furthest by itself.
pub(crate) fn best(goal: Goal, span: Span, price: Price, alone: Lever) -> Mix {
    let mut search = Search::new(goal, span, price);
    let shorter = if goal == Goal::Neighbours { SHORTER_AT_NEIGHBOURS } else { SHORTER };
    let attempts = span.attempts(goal) / shorter;
    let mut best = (None, Mix::default());
    for number in 0..1 + DRAWN + CHANGED {
        let mix = match number {
            0 => search.with(alone),
            1..=DRAWN => search.draw(),
            _ => search.change(&best.1),
        };
        let count = run(goal, span, &mix, attempts);
        let gained = Some(count.all + HASTE * count.hasty);
        if gained > best.0 {
            best = (gained, mix);
        }
    }
    best.1
}

struct Search {
    dice: Dice,
    levers: Vec<Lever>,
    /// What every mix has.
    given: Mix,
}

impl Search {
    fn new(goal: Goal, span: Span, price: Price) -> Self {
        let priced = |price| Lever::ALL.into_iter().filter(move |lever| lever.price() == price);
        let given = if price == Price::Network {
            priced(price).map(|lever| (lever, 100)).collect()
        } else {
            Vec::new()
        };
        Self {
            dice: Dice::new(goal as u64 * 2 + span as u64),
            levers: priced(Price::Address).collect(),
            given: Mix(given),
        }
    }

    fn with(&self, lever: Lever) -> Mix {
        let mut mix = self.given.clone();
        mix.0.push((lever, 100));
        mix
    }

    /// Two to five levers.
    fn draw(&mut self) -> Mix {
        let mut mix = self.given.clone();
        for _ in 0..self.dice.between(2, 6) {
            self.add(&mut mix);
        }
        mix
    }

    /// One lever less, or one more.
    fn change(&mut self, mix: &Mix) -> Mix {
        let mut mix = mix.clone();
        let given = self.given.0.len() as u64;
        let levers = mix.0.len() as u64;
        if levers > given + 1 && self.dice.chance(50) {
            mix.0.remove(self.dice.between(given, levers) as usize);
        } else {
            self.add(&mut mix);
        }
        mix
    }

    fn add(&mut self, mix: &mut Mix) {
        let lever = *self.dice.one_of(&self.levers);
        if !mix.has(lever) {
            mix.0.push((lever, *self.dice.one_of(&[30, 60, 100])));
        }
    }
}
