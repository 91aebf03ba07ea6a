//! Sessions that the site issued: who saw it tells of it in an exchange (filters) or with an answer; other filters hear of
//! it by a mark, other replicas by a notice. Nothing of it is kept in shared state.
//!
//! Whoever drops its cookies gets as many sessions as it likes, so an address may have 60 of them told in ten minutes at
//! each replica, and all together 500 at once and 200 a second: marks and notices of other things keep their room. Who is
//! not told of loses nothing: a session only adds, and the filters that saw it issued know it all the same.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sallyport_core::exchange::{Mark, MarkKind};
use tokio::sync::broadcast::error::RecvError;

use crate::clock::Moment;
use crate::config::LimitsConfig;
use crate::detector::Detector;
use crate::detector::table::Table;
use crate::gcra::{Cell, Rate};
use crate::marks::Marks;
use crate::shared::{Notice, SharedState};

/// A filter that starts hears of those that were issued so many seconds ago at most.
const KEEP_S: u32 = 3600;

/// 30 at once and one each 20 s: 60 in any ten minutes.
const OF_ADDRESS: Rate = Rate { interval_us: 20_000_000, burst: 30 };

/// So a filter that asks every five seconds misses neither these nor other marks, of which the ring holds thousands.
const OF_ALL: Rate = Rate { interval_us: 5_000, burst: 500 };

/// Passes on which sessions were issued.
pub struct Issued {
    shared: Arc<dyn SharedState>,
    detector: Arc<Detector>,
    marks: Arc<Marks>,
    addresses: Table<Cell>,
    all: Mutex<Cell>,
    told: AtomicU64,
    untold: AtomicU64,
}

/// What is counted of it, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IssuedHealth {
    /// Sessions that were passed on.
    pub told: u64,
    /// Sessions that were not: too many of their address, or of all.
    pub untold: u64,
}

impl Issued {
    /// Nothing is known yet.
    pub fn new(
        shared: Arc<dyn SharedState>,
        detector: Arc<Detector>,
        marks: Arc<Marks>,
        config: &LimitsConfig,
    ) -> Self {
        let addresses = Table::new(config.addresses as usize);
        let [told, untold] = [const { AtomicU64::new(0) }; 2];
        Self { shared, detector, marks, addresses, all: Mutex::default(), told, untold }
    }

    /// Passes on which sessions were issued to which addresses, by their keyed hashes; 0 for a session is none.
    pub fn tell(&self, issued: &[(u64, u64)]) {
        self.tell_at(issued, Moment::now());
    }

    /// How it is doing.
    pub fn health(&self) -> IssuedHealth {
        IssuedHealth { told: self.told.load(Ordering::Relaxed), untold: self.untold.load(Ordering::Relaxed) }
    }

    fn tell_at(&self, issued: &[(u64, u64)], now: Moment) {
        for (session, address) in issued.iter().filter(|(session, _)| *session != 0) {
            let has_room = self.addresses.with(*address, |cell| cell.take(OF_ADDRESS, now.steady_us).is_ok());
            if has_room && self.pass_on(*session, now) {
                self.shared.tell(Notice::Issued { session: *session });
            } else {
                self.untold.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes over what another replica told: it has looked at the address.
    fn hear_at(&self, session: u64, now: Moment) {
        if !self.pass_on(session, now) {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells filters and the own judge; `false` where that are too many.
    fn pass_on(&self, session: u64, now: Moment) -> bool {
        let has_room =
            self.all.lock().unwrap_or_else(PoisonError::into_inner).take(OF_ALL, now.steady_us).is_ok();
        if has_room {
            self.marks.tell(Mark { kind: MarkKind::Issued, key: session, value: 1, keep_s: KEEP_S });
            self.detector.issue(session, now.unix_ms);
            self.told.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }
}

/// Listens to other replicas, for ever.
pub async fn run(issued: Arc<Issued>) {
    let mut notices = issued.shared.notices();
    loop {
        match notices.recv().await {
            Ok(Notice::Issued { session }) => issued.hear_at(session, Moment::now()),
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use sallyport_core::{Engine, HashKey, Model, Policy, PolicyConfig, Ranges};

    use super::*;
    use crate::shared::Memory;

    fn issued() -> Issued {
        let policy = Policy::compile(PolicyConfig::default()).expect("valid");
        let model = Model::built_in().expect("built-in model");
        let engine = Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([1; 16]), 1);
        let config = LimitsConfig { addresses: 2048, sessions: 2048, ..LimitsConfig::default() };
        let detector = Arc::new(Detector::new(Arc::new(engine), &config));
        Issued::new(Arc::new(Memory::default()), detector, Arc::new(Marks::new().expect("random")), &config)
    }

    fn at(ms: u64) -> Moment {
        Moment { steady_us: ms * 1000, unix_ms: 1_700_000_000_000 + ms }
    }

    #[test]
    fn filters_and_the_own_judge_hear_of_an_issued_session() {
        let issued = issued();
        issued.tell_at(&[(7, 1), (0, 1)], at(0));
        issued.hear_at(8, at(0));
        let mark = |key| Mark { kind: MarkKind::Issued, key, value: 1, keep_s: KEEP_S };
        assert_eq!(issued.marks.since(0, 0).marks, [mark(7), mark(8)]);
        assert!([7, 8].iter().all(|session| issued.detector.is_issued(*session)));
        assert_eq!(issued.health(), IssuedHealth { told: 2, untold: 0 });
    }

    #[test]
    fn an_address_has_sixty_told_in_any_ten_minutes_and_takes_none_from_another() {
        let issued = issued();
        let mut told = Vec::new();
        for second in 0..1_800 {
            let sessions: Vec<_> = (1..=10).map(|n| (second * 10 + n, 1)).collect();
            issued.tell_at(&sessions, at(second * 1000));
            told.push(issued.health().told);
        }
        assert!(told.windows(601).all(|told| told[600] - told[0] <= 60), "{told:?}");
        assert_eq!(told[1_799], 30 + 1_799 / 20);
        assert_eq!(issued.health().untold, 18_000 - told[1_799]);
        issued.tell_at(&[(u64::MAX, 2)], at(1_800_000));
        assert!(issued.detector.is_issued(u64::MAX));
        assert!(!issued.detector.is_issued(17_999), "who is not passed on is not kept either");
    }

    #[test]
    fn a_million_addresses_leave_room_for_other_marks_and_are_forgotten() {
        let issued = issued();
        let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for ms in 0..1_000 {
            let sessions: Vec<_> = (1..=1_000).map(|n| (key(ms * 1_000 + n), !key(ms * 1_000 + n))).collect();
            issued.tell_at(&sessions, at(ms));
        }
        assert_eq!(issued.health(), IssuedHealth { told: 699, untold: 1_000_000 - 699 });
        assert_eq!(issued.addresses.len(), 2048);
        assert_eq!(issued.marks.told(), 699);
    }
}
