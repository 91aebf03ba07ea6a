//! Replicas in simulated time: envoys with cells and workers of their own, control planes that settle them, one memory.

use std::net::IpAddr;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use sallyport_core::policy::LimitRule;
use sallyport_core::{
    AddressState, ClientState, Engine, HashKey, Marks, Model, Policy, PolicyConfig, Ranges, RequestFacts,
    Subjects,
};

use super::*;
use crate::shared::Memory;
use crate::shared::testing::{Fault, Faulty};

const START_MS: u64 = 1_700_000_000_000;

fn engine(per_second: f32, burst: u32) -> Arc<Engine> {
    engine_of(1, per_second, burst)
}

/// The engine of a snapshot's version.
fn engine_of(version: u64, per_second: f32, burst: u32) -> Arc<Engine> {
    let mut config = PolicyConfig::default();
    config.rate_limit.client.per_second = per_second;
    config.rate_limit.client.burst = burst;
    config.rate_limit.address.per_second = 100_000.0;
    config.rate_limit.address.burst = 1_000_000;
    let policy = Policy::compile(config).expect("valid");
    let model = Model::built_in().expect("built-in model");
    Arc::new(Engine::new(policy, model, Ranges::default(), HashKey::from_bytes([1; 16]), version))
}

fn limits(shared: Arc<dyn SharedState>, engine: &Arc<Engine>) -> Limits {
    let config = LimitsConfig { cells: 2048, ..LimitsConfig::default() };
    Limits::new(shared, Arc::new(Detector::new(Arc::clone(engine), &config)), &config)
}

fn facts() -> RequestFacts<'static> {
    RequestFacts {
        address: Some(IpAddr::from([192, 0, 2, 1])),
        method: b"GET",
        authority: b"shop.example",
        path: b"/a",
        user_agent: b"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        ..RequestFacts::default()
    }
}

/// What a client's cell took, and nothing before.
fn took(key: u64, cost_us: u64) -> Charge {
    Charge { rule: LimitRule::Client, key, cost_us, least_us: 0 }
}

/// A moment of the simulation.
fn at(ms: u64) -> Moment {
    Moment { steady_us: ms * 1000, unix_ms: START_MS + ms }
}

/// An Envoy: its workers share the cells, each has its own charges to tell.
struct Envoy {
    engine: Arc<Engine>,
    client: ClientState,
    address: AddressState,
    charges: Vec<Vec<Charge>>,
}

impl Envoy {
    fn new(engine: &Arc<Engine>, workers: usize) -> Self {
        let client = ClientState::new(engine.key().client(&facts()));
        let address = AddressState::new(engine.key().address(facts().address));
        Self { engine: Arc::clone(engine), client, address, charges: vec![Vec::new(); workers] }
    }

    /// Whether the limits let a request through.
    fn admits(&mut self, worker: usize, ms: u64) -> bool {
        let facts = facts();
        let mut subjects = Subjects {
            client: &mut self.client,
            address: &mut self.address,
            network: None,
            sessions: &mut [],
            network_key: 0,
        };
        let asked = self.engine.ask(&facts);
        let decision = self.engine.decide(&asked, &mut subjects, (Marks::default(), false), START_MS + ms);
        self.charges[worker].extend(decision.charges.iter());
        decision.limit.is_none()
    }

    /// Tells a worker's charges and takes over the answer, as an exchange does that hears of its own merge.
    async fn exchange(&mut self, worker: usize, plane: &Limits, ms: u64) {
        let charges = std::mem::take(&mut self.charges[worker]);
        if charges.is_empty() {
            return;
        }
        plane.charge(self.engine.policy(), charges.iter().copied());
        plane.merge(|| at(ms)).await;
        for (rule, key, ahead_us) in plane.known(&charges, at(ms)) {
            assert_eq!(key, self.client.key(), "only the client's own limit is ever near");
            let limit = self.engine.policy().limit(rule).expect("it was charged");
            self.client.settle(rule, limit, ahead_us, START_MS + ms);
        }
    }
}

/// What several Envoys, spread over several control planes, let through of a client that sends far too much.
async fn admitted(per_second: f32, burst: u32, envoys: usize, planes: usize, seconds: u64) -> u32 {
    let engine = engine(per_second, burst);
    let clock = Arc::new(AtomicU64::new(0));
    let of_memory = Arc::clone(&clock);
    let memory = Arc::new(Memory::with_clock(move || of_memory.load(Ordering::Relaxed)));
    let planes: Vec<_> = (0..planes).map(|_| limits(Arc::clone(&memory) as _, &engine)).collect();
    let mut envoys: Vec<_> = (0..envoys).map(|_| Envoy::new(&engine, 2)).collect();
    let mut admitted = 0;
    for ms in 0..seconds * 1000 {
        clock.store(ms * 1000, Ordering::Relaxed);
        for (at, envoy) in envoys.iter_mut().enumerate() {
            let plane = &planes[at % planes.len()];
            // 200 requests a second, to either worker in turn.
            if ms % 5 == 0 {
                admitted += u32::from(envoy.admits(ms as usize / 5 % 2, ms));
            }
            for worker in 0..2 {
                // Each worker at another moment.
                if ms % 100 == (17 * at as u64 + 43 * worker as u64) % 100 {
                    envoy.exchange(worker, plane, ms).await;
                }
            }
        }
    }
    admitted
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn replicas_together_let_through_what_the_limit_says(
        per_second in 2.0_f32..60.0, burst in 20_u32..200, envoys in 1_usize..4, planes in 1_usize..3,
    ) {
        let seconds = 10;
        let admitted = block_on(admitted(per_second, burst, envoys, planes, seconds)) as f32;
        let exact = per_second * seconds as f32 + burst as f32;
        let unheard = 0.1 * per_second;
        let further = (envoys - 1) as f32 * (burst as f32 / 4.0 + 3.0 * unheard);
        // What all spend before they first hear of each other, where ten seconds are too few to pay it back.
        let at_once = envoys as f32 * (burst as f32 + unheard);
        // Each may have spent one more before it told of the first, and one while it told; and a hundredth.
        let untold = 2.0 * envoys as f32 + 2.0 + 0.01 * exact;
        prop_assert!(admitted <= (exact + further).max(at_once) + untold, "{admitted}");
        prop_assert!(admitted >= exact - unheard - 3.0, "{admitted}");
    }
}

#[test]
fn two_envoys_with_two_workers_stay_within_two_percent_of_the_rate() {
    // The steady part: what the second five seconds add.
    let of = |seconds| block_on(admitted(50.0, 60, 2, 1, seconds)) as f32;
    let steady = of(10) - of(5);
    assert!((steady - 250.0).abs() <= 5.0, "{steady}");
    let alone = block_on(admitted(50.0, 60, 1, 1, 10)) as f32;
    assert!((554.0..=562.0).contains(&alone), "{alone}");
}

#[tokio::test]
async fn two_control_planes_share_a_clients_cell() {
    let engine = engine(1.0, 40);
    let shared: Arc<dyn SharedState> = Arc::new(Faulty::new(None));
    let planes = [limits(Arc::clone(&shared), &engine), limits(shared, &engine)];
    let check = |plane: &Limits, ms: u64| {
        let verdict = plane.detector.check(&facts(), Marks::default(), None, START_MS + ms);
        plane.charge(engine.policy(), verdict.decision.charges.iter());
        verdict.decision.limit.is_none()
    };
    let first = (0..100).filter(|_| check(&planes[0], 0)).count();
    assert_eq!(first, 40, "the burst");
    planes[0].merge(|| at(0)).await;
    // The other control plane lets a quarter pass before it tells, and then hears.
    let second = (0..11).filter(|_| check(&planes[1], 1)).count();
    planes[1].merge(|| at(1)).await;
    let more = (0..50).filter(|_| check(&planes[1], 2)).count();
    assert_eq!((second, more), (11, 0));
}

#[tokio::test]
async fn whatever_shared_state_does_merges_end_and_cells_are_known() {
    for fault in [Fault::Fails, Fault::Hangs, Fault::TooFew, Fault::TooMany, Fault::Absurd] {
        let engine = engine(1.0, 4);
        let limits = limits(Arc::new(Faulty::new(fault)), &engine);
        let round = limits.charge(engine.policy(), [took(7, 2_000_000)].into_iter());
        limits.merge(|| at(0)).await;
        limits.backlog.merged(round, Duration::from_secs(3600)).await;
        let known = limits.known(&[took(7, 0), took(8, 0)], at(500));
        let alone = vec![(LimitRule::Client, 7, 1_500_000)];
        let absurd = vec![(LimitRule::Client, 7, u64::MAX - 500_000)];
        let is_absurd = fault == Fault::Absurd;
        assert_eq!(known, if is_absurd { absurd } else { alone }, "{fault:?}");
        assert_eq!(limits.health().failures, u64::from(!is_absurd), "{fault:?}");
    }
}

#[tokio::test]
async fn parts_of_an_interval_add_up_to_the_microsecond() {
    let engine = engine(1.0, 4);
    let shared: Arc<dyn SharedState> = Arc::new(Faulty::new(None));
    let planes = [limits(Arc::clone(&shared), &engine), limits(shared, &engine)];
    let charge = |cost_us, least_us| Charge { least_us, ..took(7, cost_us) };
    let mut known = Vec::new();
    for (plane, charges) in
        [(0, [charge(333_333, 600_000), charge(1, 0)]), (1, [charge(0, 0), charge(250_000, 600_000)])]
    {
        planes[plane].charge(engine.policy(), charges.into_iter());
        planes[plane].merge(|| at(0)).await;
        known.extend(planes[plane].known(&charges[..1], at(0)));
    }
    let ahead: Vec<_> = known.iter().map(|cell| cell.2).collect();
    // Shared state has a clock of its own.
    assert_eq!(ahead[0], 933_334);
    assert!(ahead[1] > 850_000 && ahead[1] <= 1_183_334, "{ahead:?}");
}

#[tokio::test]
async fn absurd_charges_cost_a_burst_and_a_second_at_most() {
    let engine = engine(1.0, 4);
    let limits = limits(Arc::new(Faulty::new(None)), &engine);
    let absurd = Charge { least_us: u64::MAX, ..took(9, u64::MAX) };
    let of_no_limit = Charge { rule: LimitRule::Api, ..took(7, 5) };
    let charges = [took(7, u64::MAX), of_no_limit, took(8, 0), absurd];
    limits.charge(engine.policy(), charges.into_iter());
    limits.merge(|| at(0)).await;
    let known = limits.known(&charges, at(0));
    let expected =
        [(7, 5_000_000), (8, 0), (9, 9_000_000)].map(|(key, ahead)| (LimitRule::Client, key, ahead));
    assert_eq!(known, expected, "there is no limit for the API, and nothing costs nothing");
    // Clock steps: the steady clock has none, and Unix time is only handed on.
    let stepped = Moment { steady_us: 1_000_000, unix_ms: 5 };
    assert_eq!(limits.known(&charges[..1], stepped), [(LimitRule::Client, 7, 4_000_000)]);
    assert_eq!(limits.known(&charges[..1], at(3_600_000)), [(LimitRule::Client, 7, 0)]);
}

/// Another policy comes into force: cells at hand, what shared state keeps, charges that wait, with and without it.
#[tokio::test]
async fn a_looser_policy_forgives_what_a_tighter_one_left_and_nothing_of_its_own() {
    for fault in [None, Some(Fault::Fails)] {
        let (tight, loose) = (engine_of(1, 0.01, 4), engine_of(2, 1.0, 9));
        let limits = limits(Arc::new(Faulty::new(fault)), &tight);
        let told = |interval_s: u64, requests| [took(7, interval_s * requests * 1_000_000)];
        let known_s = |limits: &Limits| {
            limits.known(&told(0, 0), at(0)).iter().map(|cell| cell.2.div_ceil(1_000_000)).sum::<u64>()
        };
        limits.charge(tight.policy(), told(100, 4).into_iter());
        limits.merge(|| at(0)).await;
        assert_eq!(known_s(&limits), 400, "{fault:?}");
        // Told by a filter just before the change, merged after it, with one more request.
        limits.charge(tight.policy(), told(100, 4).into_iter());
        limits.detector.replace_engine(Arc::clone(&loose));
        assert_eq!(known_s(&limits), 9, "{fault:?}: a full cell, before anything is merged");
        limits.charge(loose.policy(), told(1, 1).into_iter());
        limits.merge(|| at(0)).await;
        assert_eq!(known_s(&limits), 9 + 9 + 1, "{fault:?}: what waited is a full cell at most, too");
        limits.charge(loose.policy(), told(1, 9).into_iter());
        limits.merge(|| at(0)).await;
        assert_eq!(known_s(&limits), 28, "{fault:?}: what was let through since is owed");
    }
}

#[tokio::test]
async fn a_flood_of_light_cells_costs_full_ones_nothing() {
    let engine = engine(1.0, 400);
    let limits = limits(Arc::new(Faulty::new(None)), &engine);
    let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let most_us = 400_000_000;
    (0..100).for_each(|n| limits.cells.set(LimitRule::Client, key(n), (most_us, most_us), 0));
    for n in 100..1_000_100 {
        limits.cells.set(LimitRule::Client, key(n), (1_000_000, most_us), n * 100);
    }
    let ahead = |n| limits.cells.ahead_us(LimitRule::Client, key(n), most_us, 100_000_000);
    assert!((0..100).all(|n| ahead(n) == Some(300_000_000)));
    assert_eq!((limits.health().cells, limits.health().turned_away), (2048, 0));
    // 300 s after the start they have drained to a quarter.
    for n in 0..1_000_000 {
        limits.cells.set(LimitRule::Client, key(n + 2_000_000), (1_000_000, most_us), 300_000_000 + n);
    }
    assert!((0..100).all(|n| ahead(n).is_none()));
}

#[tokio::test]
async fn any_number_of_clients_takes_no_more_memory_than_configured() {
    let engine = engine(1.0, 4);
    let shared = Arc::new(Faulty::new(None));
    let limits = limits(Arc::clone(&shared) as _, &engine);
    let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for batch in 0..4 {
        let charges = (0..50_000).map(|n| took(key(batch * 50_000 + n), 1_000_000));
        limits.charge(engine.policy(), charges);
        limits.merge(|| at(batch)).await;
    }
    let LimitsHealth { cells, evicted, turned_away, refused, merged, failures } = limits.health();
    assert_eq!(
        (cells, evicted, turned_away),
        (2048, 200_000 - 2048, 0),
        "a quarter full is not over a quarter"
    );
    assert_eq!((refused, merged, failures), (0, 200_000, 0));
    assert_eq!(shared.asked.load(Ordering::Relaxed), 200_000);
    // While nobody merges, what waits is bounded too.
    limits.charge(engine.policy(), (0..100_000).map(|n| took(key(n), 1_000_000)));
    assert_eq!(limits.health().refused, 100_000 - 65_536);
    // A million, past the queue.
    (0..1_000_000).for_each(|n| limits.cells.set(LimitRule::Api, key(n), (1, 1), n));
    assert_eq!(limits.health().cells, 2048);
}
