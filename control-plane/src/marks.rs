//! Marks: small facts about sessions and networks that filters should know. The newest are kept in a ring, numbered, so
//! that each exchange carries those that a filter has not seen.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sallyport_core::exchange::{MOST, Mark};
use tokio::sync::broadcast::error::RecvError;

use crate::clock::{Moment, unix_ms};
use crate::logins::Logins;

/// Marks that are kept, 24 bytes each.
const KEPT: usize = 10_000;

/// The newest marks of this control plane.
pub struct Marks {
    /// Which control plane, at random at each start: its numbers mean nothing to another.
    origin: u64,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    /// The number of the last; the first is 1.
    newest: u64,
    /// Oldest first, each with when it was told, µs on the steady clock.
    marks: VecDeque<(Mark, u64)>,
}

/// What a filter hears.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    /// Whose numbers these are.
    pub origin: u64,
    /// The number to ask from next time.
    pub sequence: u64,
    /// Oldest first, at most [`MOST`]; how long each is kept is counted from now on.
    pub marks: Vec<Mark>,
}

impl Marks {
    /// No marks yet, under an origin at random.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self::of(getrandom::u64()?))
    }

    fn of(origin: u64) -> Self {
        // 0 is what a filter says that has seen none.
        Self { origin: origin.max(1), ring: Mutex::default() }
    }

    /// Tells all filters that ask from now on; a newer mark of the same key takes the place of what they hold.
    pub fn tell(&self, mark: Mark) {
        self.tell_at(mark, Moment::now().steady_us);
    }

    /// The marks after number `seen` of `origin`; where that is another control plane's, the newest.
    pub fn since(&self, origin: u64, seen: u64) -> News {
        self.since_at(origin, seen, Moment::now().steady_us)
    }

    /// Marks told since the start.
    pub fn told(&self) -> u64 {
        self.lock().newest
    }

    fn tell_at(&self, mark: Mark, now_us: u64) {
        let mut ring = self.lock();
        if ring.marks.len() == KEPT {
            ring.marks.pop_front();
        }
        ring.marks.push_back((mark, now_us));
        ring.newest += 1;
    }

    fn since_at(&self, origin: u64, seen: u64, now_us: u64) -> News {
        let ring = self.lock();
        let gone = ring.newest - ring.marks.len() as u64;
        let skipped = match seen.checked_sub(gone) {
            Some(skipped) if origin == self.origin && seen <= ring.newest => skipped as usize,
            None if origin == self.origin => 0,
            _ => ring.marks.len().saturating_sub(MOST),
        };
        let unseen = ring.marks.iter().skip(skipped).take(MOST);
        let sequence = gone + (skipped + unseen.len()) as u64;
        let marks = unseen.filter_map(|(mark, told_us)| {
            let age_s = u32::try_from(now_us.saturating_sub(*told_us) / 1_000_000).unwrap_or(u32::MAX);
            (age_s < mark.keep_s).then(|| Mark { keep_s: mark.keep_s - age_s, ..*mark })
        });
        News { origin: self.origin, sequence, marks: marks.collect() }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // A panic under the lock leaves a ring of plain numbers, still usable.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells filters of networks with many failed logins, for as long as it runs.
pub async fn of_networks(marks: Arc<Marks>, logins: Arc<Logins>) {
    let mut news = logins.marks();
    loop {
        match news.recv().await {
            Ok(mark) => marks.tell(mark),
            Err(RecvError::Lagged(_)) => {
                logins.network_marks(MOST, unix_ms()).into_iter().for_each(|mark| marks.tell(mark));
            }
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use sallyport_core::exchange::MarkKind;

    use super::*;

    fn mark(key: u64) -> Mark {
        Mark { kind: MarkKind::Session, key, value: 3, keep_s: 60 }
    }

    fn keys(news: &News) -> Vec<u64> {
        news.marks.iter().map(|mark| mark.key).collect()
    }

    #[test]
    fn each_filter_hears_what_it_has_not_seen() {
        let marks = Marks::of(7);
        assert_eq!(marks.since_at(0, 0, 0), News { origin: 7, sequence: 0, marks: Vec::new() });
        (1..=3).for_each(|key| marks.tell_at(mark(key), 0));
        let news = marks.since_at(7, 1, 0);
        assert_eq!((news.sequence, keys(&news)), (3, vec![2, 3]));
        assert_eq!(marks.since_at(7, 3, 0).marks, []);
        for (origin, seen) in [(8, 3), (0, 0), (7, 4), (7, u64::MAX)] {
            assert_eq!(keys(&marks.since_at(origin, seen, 0)), [1, 2, 3], "{origin} {seen}");
        }
    }

    #[test]
    fn many_marks_take_several_exchanges_and_the_oldest_are_forgotten() {
        let marks = Marks::of(7);
        let all = KEPT as u64 + 500;
        (1..=all).for_each(|key| marks.tell_at(mark(key), 0));
        assert_eq!(marks.lock().marks.len(), KEPT);
        let news = marks.since_at(7, 2, 0);
        assert_eq!((keys(&news)[0], news.marks.len(), news.sequence), (501, MOST, 500 + MOST as u64));
        let (mut seen, mut heard) = (news.sequence, news.marks.len());
        while seen < all {
            let news = marks.since_at(7, seen, 0);
            assert_eq!(keys(&news)[0], seen + 1);
            (seen, heard) = (news.sequence, heard + news.marks.len());
        }
        assert_eq!(heard, KEPT);
        let newest = marks.since_at(1, 0, 0);
        assert_eq!((newest.marks.len(), newest.sequence, newest.marks[MOST - 1].key), (MOST, all, all));
    }

    #[test]
    fn what_has_run_out_is_not_told_and_the_rest_not_longer_than_it_holds() {
        let marks = Marks::of(7);
        marks.tell_at(mark(1), 1_000_000);
        marks.tell_at(mark(2), 31_000_000);
        let news = marks.since_at(0, 0, 61_000_000);
        assert_eq!((news.sequence, news.marks.as_slice()), (2, &[Mark { keep_s: 30, ..mark(2) }][..]));
        assert_eq!(marks.since_at(7, 2, 0).marks, [], "a clock that steps back harms nobody");
    }
}
