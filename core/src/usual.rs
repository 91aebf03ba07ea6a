//! What clients get who ask for a path as for an asset: an answer that most of them get is nobody's false claim. Sites
//! answer a picture that is missing with their first page, an avatar with JSON.
//!
//! Clients count by their networks, so that one who makes up paths or names is alone with them. Whoever has three networks
//! can make a path usual, and gets no more by it than by asking for pages: what is asked for there is charged as a page, and
//! waits where there is no room for one. Only paths that were answered with something else than an asset have a place:
//! a site's many pictures would leave none.

use crate::answers::{Answer, Got, Watch};
use crate::asked::Asked;

const SETS: usize = 64;
/// Places of a set; the path's hash chooses the set.
const WAYS: usize = 8;
/// So many networks got the same: fewer are not most.
const FEWEST: u32 = 3;
/// What clients got counts for one to two of these, in seconds (half an hour).
const PERIOD_S: u32 = 1_800;

/// A table of fixed size, 512 paths: the one that the fewest networks know makes room, of several the oldest.
#[derive(Clone, Debug)]
pub struct UsualAnswers(Vec<[Seen; WAYS]>);

/// Which networks' clients got what for a path.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Keyed hash of the path; 0 for none.
    path: u64,
    /// Begin of the period, Unix seconds.
    since_s: u32,
    now: Networks,
    before: Networks,
}

/// Sets of networks, each in 32 bits by keyed hash: never more than there are.
#[derive(Clone, Copy, Debug, Default)]
struct Networks {
    assets: u32,
    others: u32,
}

impl Default for UsualAnswers {
    fn default() -> Self {
        Self(vec![[Seen::default(); WAYS]; SETS])
    }
}

impl UsualAnswers {
    /// Says in a request for an asset whether most get something else for its path.
    pub fn recall<'a>(&self, asked: Asked<'a>, now_ms: u64) -> Asked<'a> {
        let is_no_asset = asked.asset_key != 0 && self.is_usual(asked.asset_key, (now_ms / 1000) as u32);
        Asked { is_no_asset, ..asked }
    }

    fn is_usual(&self, path: u64, now_s: u32) -> bool {
        let set = self.0.get(path as usize % SETS);
        let seen = set.and_then(|set| set.iter().find(|seen| seen.path == path));
        seen.is_some_and(|seen| seen.at(now_s).is_usual())
    }

    /// Takes note of an answer to a client of this network (keyed hash), and says in it whether most get the same.
    pub fn note<'a>(&mut self, watch: Watch, answer: Answer<'a>, network: u64, now_ms: u64) -> Answer<'a> {
        let is_asset = match watch.got(answer) {
            Some(Got::Asset) if answer.status != 304 => true,
            Some(Got::Other | Got::Nothing) => false,
            _ => return answer,
        };
        let is_usual = self.count((watch.path_key, is_asset), network, (now_ms / 1000) as u32);
        Answer { is_usual: is_usual && !is_asset, ..answer }
    }

    /// Counts an answer; whether most got something else than an asset for this path.
    fn count(&mut self, (path, is_asset): (u64, bool), network: u64, now_s: u32) -> bool {
        let Some(set) = self.0.get_mut(path as usize % SETS) else { return false };
        let known = set.iter().position(|seen| seen.path == path);
        let least = (0..).zip(&*set).min_by_key(|(_, seen)| seen.worth(now_s)).map(|(place, _)| place);
        let place = known.or(least.filter(|_| !is_asset));
        let Some(seen) = place.and_then(|place: usize| set.get_mut(place)) else { return false };
        if known.is_none() {
            *seen = Seen { path, since_s: now_s, ..Seen::default() };
        }
        *seen = seen.at(now_s);
        let networks = if is_asset { &mut seen.now.assets } else { &mut seen.now.others };
        *networks |= 1 << (network % 32);
        seen.is_usual()
    }
}

impl Seen {
    /// Without the networks of earlier periods; a clock that was set back begins a period too.
    fn at(self, now_s: u32) -> Self {
        let age_s = now_s.abs_diff(self.since_s);
        if age_s < PERIOD_S {
            return self;
        }
        let before = if age_s < 2 * PERIOD_S { self.now } else { Networks::default() };
        Self { since_s: now_s, now: Networks::default(), before, ..self }
    }

    fn is_usual(&self) -> bool {
        let others = (self.now.others | self.before.others).count_ones();
        others >= FEWEST && others > (self.now.assets | self.before.assets).count_ones()
    }

    /// The least makes room.
    fn worth(self, now_s: u32) -> (u32, u32) {
        let seen = self.at(now_s);
        ((seen.now.others | seen.before.others).count_ones(), seen.since_s)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START_S: u32 = 1_750_000_000;
    const PAGE: (u64, bool) = (77, false);
    const ASSET: (u64, bool) = (77, true);

    #[test]
    fn what_three_networks_got_and_more_than_got_an_asset_is_usual() {
        let mut usual = UsualAnswers::default();
        assert!((0..9).all(|_| !usual.count(PAGE, 1, START_S)), "one is alone, however often it asks");
        assert!(!usual.count(PAGE, 2, START_S));
        assert!(usual.count(PAGE, 3, START_S));
        assert!(usual.count(ASSET, 4, START_S) && usual.count(ASSET, 5, START_S));
        assert!(!usual.count(ASSET, 6, START_S), "as many got an asset");
        assert!(usual.count(PAGE, 7, START_S));
        assert!(!usual.count((78, false), 7, START_S), "another path");
        assert_eq!([77, 78, 79].map(|path| usual.is_usual(path, START_S)), [true, false, false]);
    }

    #[test]
    fn what_was_usual_is_forgotten_also_where_the_clock_is_set_back() {
        for later_s in [START_S + 2 * PERIOD_S, START_S - 2 * PERIOD_S] {
            let mut usual = UsualAnswers::default();
            (1..=3).for_each(|network| {
                usual.count(PAGE, network, START_S);
            });
            let mut within = usual.clone();
            assert!(within.count(PAGE, 1, START_S + 2 * PERIOD_S - 1));
            assert!(usual.is_usual(PAGE.0, START_S) && !usual.is_usual(PAGE.0, later_s));
            assert!(!usual.count(PAGE, 1, later_s));
        }
        let mut usual = UsualAnswers::default();
        let hours = (0..20).map(|at| usual.count(PAGE, u64::from(at), START_S + at * PERIOD_S / 2));
        assert_eq!(hours.filter(|is_usual| !is_usual).count(), 2, "one network each quarter of an hour");
    }

    #[test]
    fn neither_made_up_paths_nor_a_sites_pictures_push_out_what_several_networks_know() {
        let mut usual = UsualAnswers::default();
        usual.count(PAGE, 1, START_S);
        usual.count(PAGE, 2, START_S);
        for number in 0_u64..100_000 {
            let path = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            usual.count((path, number % 2 == 0), 9, START_S + (number / 100) as u32);
        }
        assert!(usual.count(PAGE, 3, START_S + 1_000));
        assert_eq!(usual.0.len() * WAYS, 512);
    }

    proptest! {
        #[test]
        fn fewer_than_three_networks_make_nothing_usual(
            asked in prop::collection::vec((0_u64..4, any::<bool>(), 0_u64..2, any::<u32>()), 0..200),
        ) {
            let mut usual = UsualAnswers::default();
            for (path, is_asset, network, now_s) in asked {
                prop_assert!(!usual.count((path, is_asset), network, now_s));
            }
        }
    }
}
