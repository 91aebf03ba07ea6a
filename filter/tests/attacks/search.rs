//! The mix: a seeded random search over all free levers for what gets furthest.

use crate::dice::Dice;
use crate::goals::Goal;
use crate::levers::{Lever, Mix, Price};
use crate::runs::{Span, run};

/// A try is a shorter run.
const ATTEMPTS: u64 = 500;
/// So many mixes are drawn, and so many are the best one with a change.
const DRAWN: u64 = 10;
const CHANGED: u64 = 10;

/// The best mix found for a goal: of levers that leave the attacker at its address, or also of those that leave it in its
/// network, each request from another part of it.
pub(crate) fn best(goal: Goal, span: Span, price: Price) -> Mix {
    let mut search = Search::new(goal, span, price);
    let mut best = (None, Mix::default());
    for number in 0..DRAWN + CHANGED {
        let mix = if number < DRAWN { search.draw() } else { search.change(&best.1) };
        let count = run(goal, span, &mix, ATTEMPTS);
        let gained = Some((count.all, count.hasty));
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
