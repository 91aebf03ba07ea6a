//! Whether a crawler is who it claims to be: first by the address ranges that its operator publishes, then, where the
//! operator documents it, by forward-confirmed reverse DNS. Never by the user agent alone.
//!
//! Nobody waits for DNS: a lookup runs by itself, once for all who ask the same, and what it found is remembered. Who
//! asks meanwhile hears *pending*, as long as its address has not claimed too many names. What is not known says nothing
//! about a crawler: it is then *unverifiable*, and its requests are judged like all others.

pub mod command;
mod dns;
mod lookup;
mod memory;
mod patience;
mod ranges;
mod ruling;
mod way;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sallyport_core::{AgentVerdict, KnownCrawler, claimed_crawler};
use tokio::sync::{Semaphore, watch};

use self::dns::Dns;
use self::lookup::{Full, Lookup, Run};
use self::memory::{Address, Key, Known, Memory};
use self::patience::Patience;
use self::ranges::Place;
use self::ruling::{Claim, Ruling};
use self::way::way_of;
use crate::config::CrawlersConfig;

pub use ranges::CrawlerRanges;

/// How long trouble with DNS is remembered before it is asked again, seconds.
const TROUBLE_KEEP_S: u32 = 30;

/// After how many seconds to ask again for a verdict that is being looked up.
const PENDING_S: u32 = 2;

/// What was found out about a client that claims to be a crawler.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Whom it claims to be.
    pub crawler: &'static KnownCrawler,
    /// Whether it is.
    pub verdict: AgentVerdict,
    /// How long that holds, seconds.
    pub ttl_s: u32,
    /// Why, for people.
    pub why: Arc<str>,
}

/// Verifies crawlers and remembers what it found.
pub struct Verifier {
    config: CrawlersConfig,
    ranges: RwLock<Arc<CrawlerRanges>>,
    /// `None` where it is switched off, else a resolver or why there is none.
    dns: Option<Result<Dns, String>>,
    /// Room for lookups.
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    verifications: Family<VerificationLabels, Counter>,
    lookups: Family<LookupLabel, Counter>,
}

struct State {
    memory: Memory<Key, Known>,
    running: HashMap<Key, Lookup>,
    patience: Patience,
}

/// What can be said without waiting.
enum Now {
    Found(Ruling),
    Wait(Lookup),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerificationLabels {
    crawler: &'static str,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookupLabel {
    outcome: &'static str,
}

impl Verifier {
    /// A verifier that knows no ranges yet.
    pub fn new(config: &CrawlersConfig) -> Self {
        let dns = config.dns.then(|| Dns::new(config).map_err(|error| error.to_string()));
        if let Some(Err(error)) = &dns {
            tracing::error!(error, "no name server is known; crawlers are verified by published ranges only");
        }
        let capacity = config.remember as usize;
        let (memory, patience) = (Memory::new(capacity), Patience::new(capacity));
        let state = State { memory, running: HashMap::new(), patience };
        Self {
            ranges: RwLock::default(),
            dns,
            slots: Arc::new(Semaphore::new(config.lookups as usize)),
            state: Mutex::new(state),
            verifications: Family::default(),
            lookups: Family::default(),
            config: config.clone(),
        }
    }

    /// Puts newer ranges in force.
    pub fn set_ranges(&self, ranges: CrawlerRanges) {
        *self.ranges.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ranges);
    }

    /// What is known of the crawler that a user agent claims to be, at Unix ms `now_ms`; `None` where it claims none.
    /// Waits for a lookup no longer than configured.
    pub async fn verify(self: &Arc<Self>, user_agent: &[u8], ip: IpAddr, now_ms: u64) -> Option<Finding> {
        let wait = Duration::from_millis(self.config.wait_ms.into());
        self.verify_within(wait, user_agent, ip, now_ms).await
    }

    /// The same, waiting until a lookup has ended.
    pub async fn find_out(self: &Arc<Self>, user_agent: &[u8], ip: IpAddr, now_ms: u64) -> Option<Finding> {
        // A lookup ends by itself before that.
        self.verify_within(Duration::from_secs(3600), user_agent, ip, now_ms).await
    }

    /// Registers what is counted.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Verifications of claimed crawlers";
        registry.register("crawler_verifications", help, self.verifications.clone());
        let help = "DNS lookups for crawlers: confirmed, refuted, unsettled, trouble, or not begun since too many ran (busy) or the address claimed too many names (crowded)";
        registry.register("crawler_lookups", help, self.lookups.clone());
        let remembered: Gauge = Gauge::default();
        remembered.set(self.state().memory.len() as i64);
        registry.register("crawlers_remembered", "Addresses whose verification is remembered", remembered);
    }

    async fn verify_within(
        self: &Arc<Self>,
        wait: Duration,
        user_agent: &[u8],
        ip: IpAddr,
        now_ms: u64,
    ) -> Option<Finding> {
        let crawler = claimed_crawler(user_agent)?;
        let claim = self.claim(crawler, ip.to_canonical(), now_ms);
        let ruling = match self.now(&claim, now_ms) {
            Now::Found(ruling) => ruling,
            Now::Wait(lookup) => self.wait(wait, lookup, &claim, now_ms).await,
        };
        let labels = VerificationLabels { crawler: crawler.name, verdict: verdict_name(ruling.verdict) };
        self.verifications.get_or_create(&labels).inc();
        let ttl_s = ruling.until_ms.saturating_sub(now_ms).div_ceil(1000).max(PENDING_S.into());
        let ttl_s = u32::try_from(ttl_s).unwrap_or(u32::MAX);
        Some(Finding { crawler, verdict: ruling.verdict, ttl_s, why: ruling.why.into() })
    }

    fn claim(&self, crawler: &'static KnownCrawler, ip: IpAddr, now_ms: u64) -> Claim {
        let way = way_of(crawler.name);
        let ranges = Arc::clone(&self.ranges.read().unwrap_or_else(PoisonError::into_inner));
        Claim { crawler, way, ip, place: ranges.place(&way.ranges, ip, now_ms) }
    }

    fn now(self: &Arc<Self>, claim: &Claim, now_ms: u64) -> Now {
        let has_names = !claim.way.suffixes.is_empty() && !matches!(claim.place, Place::Inside(_));
        match &self.dns {
            Some(Ok(_)) if has_names => self.remembered(claim, now_ms),
            Some(Err(error)) if has_names => {
                let why = format!("no name server is known: {error}");
                Now::Found(Ruling::unverifiable(&why, TROUBLE_KEEP_S, now_ms))
            }
            _ => Now::Found(claim.by_ranges(&self.config, now_ms)),
        }
    }

    /// What DNS said before, or a lookup that runs or begins. What has just expired stands in for it.
    fn remembered(self: &Arc<Self>, claim: &Claim, now_ms: u64) -> Now {
        let key = Key { suffixes: &claim.way.suffixes, address: Address::from(claim.ip) };
        let mut state = self.state();
        let before = state.memory.get(&key).cloned();
        if let Some(known) = before.as_ref().filter(|known| known.holds(now_ms)) {
            return Now::Found(claim.by_dns(known.clone(), &self.config, now_ms));
        }
        let lookup = match state.running.get(&key) {
            Some(lookup) => Ok(lookup.clone()),
            None => self.begin(&mut state, key, claim.ip, now_ms),
        };
        drop(state);
        if let Err(full) = lookup {
            self.lookups.get_or_create(&LookupLabel { outcome: full.name() }).inc();
        }
        match (before.filter(|known| known.stands_in(now_ms)), lookup) {
            (Some(before), _) => Now::Found(claim.by_dns(before, &self.config, now_ms)),
            (None, Ok(lookup)) => Now::Wait(lookup),
            (None, Err(full)) => Now::Found(Ruling::unverifiable(full.why(), PENDING_S, now_ms)),
        }
    }

    /// Begins a lookup, where there is room for it.
    fn begin(self: &Arc<Self>, state: &mut State, key: Key, ip: IpAddr, now_ms: u64) -> Result<Lookup, Full> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Full::Busy)?;
        let is_waited_for = state.patience.take(key.address, now_ms);
        if !is_waited_for && state.running.keys().any(|other| other.address == key.address) {
            return Err(Full::Crowded);
        }
        let (told, answer) = watch::channel(None);
        let lookup = Lookup { told: answer, is_waited_for };
        state.running.insert(key, lookup.clone());
        let run = Run { verifier: Arc::clone(self), key, told, _slot: slot };
        tokio::spawn(run.look(ip, now_ms));
        Ok(lookup)
    }

    /// Waits for a lookup for no longer than `wait`.
    async fn wait(&self, wait: Duration, mut lookup: Lookup, claim: &Claim, now_ms: u64) -> Ruling {
        match tokio::time::timeout(wait, lookup.told.wait_for(Option::is_some)).await {
            Ok(Ok(known)) => match known.clone() {
                Some(known) => claim.by_dns(known, &self.config, now_ms),
                None => Ruling::pending(now_ms),
            },
            Ok(Err(_)) => Ruling::unverifiable("the lookup was broken off", PENDING_S, now_ms),
            Err(_) if lookup.is_waited_for => Ruling::pending(now_ms),
            Err(_) => Ruling::unverifiable(Full::Crowded.why(), PENDING_S, now_ms),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A verdict's name in the API and in metrics.
pub fn verdict_name(verdict: AgentVerdict) -> &'static str {
    match verdict {
        AgentVerdict::Verified(_) => "verified",
        AgentVerdict::Failed => "failed",
        AgentVerdict::Pending => "pending",
        AgentVerdict::Unverifiable => "unverifiable",
    }
}
