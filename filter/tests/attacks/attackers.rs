//! All attackers: every lever after every goal, honestly, one by one and mixed; what they got, and whether it is too much.

use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bounds::{honest_today, most, with_owners};
use crate::goals::Goal;
use crate::levers::{Lever, Mix, Price};
use crate::runs::{Count, Span, run};
use crate::search;

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// One address, one browser of today, no cookie.
    Honest,
    With(Lever),
    /// With the best mix of free levers that a search finds, from one address or one network.
    Mixed(Price),
}

/// The mixes there are.
const MIXED: [Who; 2] = [Who::Mixed(Price::Address), Who::Mixed(Price::Network)];

impl Who {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::Honest].into_iter().chain(Lever::ALL.map(Self::With)).chain(MIXED)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::With(lever) => lever.name(),
            Self::Mixed(Price::Network) => "the best mix found, from an IPv6 /48",
            Self::Mixed(_) => "the best mix found, from one address",
        }
    }
}

/// What came of an attack.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) who: Who,
    pub(crate) goal: Goal,
    pub(crate) span: Span,
    pub(crate) mix: Mix,
    pub(crate) count: Count,
}

impl Attack {
    fn carry_out(who: Who, goal: Goal, span: Span, mix: Mix) -> Self {
        let count = run(goal, span, &mix, span.attempts(goal));
        Self { who, goal, span, mix, count }
    }

    /// What it may get; `None` for what is paid for.
    pub(crate) fn most(&self) -> Option<Count> {
        let honest = find(Who::Honest, self.goal, self.span).count;
        match self.who {
            Who::Honest => Some(honest_today(self.goal, self.span)),
            Who::Mixed(_) if self.mix.has(Lever::StolenSession) => {
                let most = most(self.mix.price(), self.goal, self.span, honest, self.count)?;
                Some(with_owners(most, self.goal, self.span))
            }
            _ => most(self.mix.price(), self.goal, self.span, honest, self.count),
        }
    }

    /// Whether it got more than it may.
    pub(crate) fn exceeds(&self) -> bool {
        self.most().is_some_and(|most| self.count.hasty > most.hasty || self.count.all > most.all)
    }
}

/// Every attack, in the order of the table.
pub(crate) static ATTACKS: LazyLock<Vec<Attack>> = LazyLock::new(|| {
    let everything = |who: &[Who]| {
        let of =
            |who: Who| Goal::ALL.into_iter().flat_map(move |goal| Span::ALL.map(|span| (who, goal, span)));
        who.iter().copied().flat_map(of).collect::<Vec<_>>()
    };
    let alone: Vec<_> = [Who::Honest].into_iter().chain(Lever::ALL.map(Who::With)).collect();
    let mut attacks = in_parallel(&everything(&alone), |(who, goal, span)| {
        let mix = if let Who::With(lever) = who { Mix::only(*lever) } else { Mix::default() };
        Attack::carry_out(*who, *goal, *span, mix)
    });
    let mixed = in_parallel(&everything(&MIXED), |(who, goal, span)| {
        let alone = furthest(&attacks, *goal, *span);
        let price = if *who == Who::Mixed(Price::Network) { Price::Network } else { Price::Address };
        Attack::carry_out(*who, *goal, *span, search::best(*goal, *span, price, alone))
    });
    attacks.extend(mixed);
    attacks
});

/// The lever that got furthest without leaving the attacker's address.
fn furthest(attacks: &[Attack], goal: Goal, span: Span) -> Lever {
    let counts = attacks.iter().filter(|attack| attack.goal == goal && attack.span == span);
    let counts = counts.filter_map(|attack| match attack.who {
        Who::With(lever) if lever.price() == Price::Address => Some((attack.count.all, lever)),
        _ => None,
    });
    counts.max_by_key(|(all, _)| *all).expect("there are such levers").1
}

pub(crate) fn find(who: Who, goal: Goal, span: Span) -> &'static Attack {
    let is = |attack: &&Attack| attack.who == who && attack.goal == goal && attack.span == span;
    ATTACKS.iter().find(is).expect("all are carried out")
}

/// Does all jobs on all processors; the results are in the jobs' order.
pub(crate) fn in_parallel<J: Sync, R: Send>(jobs: &[J], work: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((place, job)) = take(jobs, &next) {
                    let result = work(job);
                    done.lock().expect("no worker has panicked").push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker has panicked");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, J>(jobs: &'a [J], next: &AtomicUsize) -> Option<(usize, &'a J)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(place).map(|job| (place, job))
}

fn excesses(is_meant: impl Fn(Who) -> bool) -> Vec<String> {
    let too_far = ATTACKS.iter().filter(|attack| is_meant(attack.who) && attack.exceeds());
    let told = |attack: &Attack| {
        let Attack { who, goal, span, count, mix } = attack;
        let most = attack.most().unwrap_or_default();
        format!(
            "{}: {}, {span:?}: {} in haste of at most {}, {} in all of at most {} {}",
            who.name(),
            goal.name(),
            count.hasty,
            most.hasty,
            count.all,
            most.all,
            if matches!(who, Who::Mixed(_)) { mix.to_string() } else { String::new() }
        )
    };
    too_far.map(told).collect()
}

#[test]
fn the_honest_get_no_further_than_before() {
    let excesses = excesses(|who| who == Who::Honest);
    assert!(excesses.is_empty(), "further than before:\n{}", excesses.join("\n"));
}

#[test]
fn no_free_choice_lets_anybody_do_more() {
    let excesses = excesses(|who| who != Who::Honest);
    assert!(excesses.is_empty(), "{} choices pay:\n{}", excesses.len(), excesses.join("\n"));
}
