//! Whether a crawler is who it claims to be: first by the address ranges that its operator publishes, then, where the
//! operator documents it, by forward-confirmed reverse DNS. Never by the user agent alone.
//!
//! Nobody waits for DNS: a lookup runs by itself, once for all who ask the same, and what it found is remembered. Who
//! asks meanwhile hears *pending*. Trouble with DNS says nothing about a crawler: it is then *unverifiable*, and its
//! requests are judged like all others.

pub mod command;
mod dns;
mod memory;
mod ranges;
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
use sallyport_core::policy::CrawlerCategory;
use sallyport_core::{AgentVerdict, KnownCrawler, claimed_crawler};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use self::dns::{Confirmation, Dns};
use self::memory::{Key, Known, Memory};
use self::ranges::Place;
use self::way::{Way, way_of};
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
    memory: Memory,
    running: HashMap<Key, watch::Receiver<Option<Known>>>,
}

/// What can be said without waiting.
enum Now {
    Found(Known),
    /// A lookup runs.
    Wait(watch::Receiver<Option<Known>>),
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
        let state = State { memory: Memory::new(config.remember as usize), running: HashMap::new() };
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
        let help =
            "DNS lookups for crawlers: confirmed, refuted, trouble, or not begun since too many ran (busy)";
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
        let known = match self.now(crawler, ip.to_canonical(), now_ms) {
            Now::Found(known) => known,
            Now::Wait(mut lookup) => match tokio::time::timeout(wait, lookup.wait_for(Option::is_some)).await
            {
                Ok(Ok(known)) => known.clone().unwrap_or_else(|| pending(now_ms)),
                Ok(Err(_)) => unverifiable("the lookup was broken off", PENDING_S, now_ms),
                Err(_) => pending(now_ms),
            },
        };
        let labels = VerificationLabels { crawler: crawler.name, verdict: verdict_name(known.verdict) };
        self.verifications.get_or_create(&labels).inc();
        let ttl_s = known.until_ms.saturating_sub(now_ms).div_ceil(1000).max(PENDING_S.into());
        let ttl_s = u32::try_from(ttl_s).unwrap_or(u32::MAX);
        Some(Finding { crawler, verdict: known.verdict, ttl_s, why: known.why })
    }

    fn now(self: &Arc<Self>, crawler: &'static KnownCrawler, ip: IpAddr, now_ms: u64) -> Now {
        let way = way_of(crawler.name);
        let ranges = Arc::clone(&self.ranges.read().unwrap_or_else(PoisonError::into_inner));
        let place = ranges.place(&way.ranges, ip, now_ms);
        if let Place::Inside(provider) = place {
            let why = format!("{ip} lies in the ranges of {provider}");
            return Now::Found(known(
                AgentVerdict::Verified(crawler.category),
                &why,
                self.config.keep_s,
                now_ms,
            ));
        }
        match &self.dns {
            Some(Ok(_)) if !way.suffixes.is_empty() => self.remembered(crawler, way, ip, now_ms),
            Some(Err(error)) if !way.suffixes.is_empty() => {
                Now::Found(unverifiable(&format!("no name server is known: {error}"), TROUBLE_KEEP_S, now_ms))
            }
            _ => Now::Found(self.by_ranges_alone(way, place, ip, now_ms)),
        }
    }

    /// Of an address outside of the ranges, where DNS does not help.
    fn by_ranges_alone(&self, way: &Way, place: Place, ip: IpAddr, now_ms: u64) -> Known {
        let keep_s = self.config.failed_keep_s;
        match place {
            Place::Outside if way.complete => {
                let why = format!(
                    "{ip} lies outside of the ranges of {}, and it has no others",
                    way.ranges.join(", ")
                );
                known(AgentVerdict::Failed, &why, keep_s, now_ms)
            }
            Place::Unsure(why) => unverifiable(&why, keep_s, now_ms),
            Place::Outside | Place::Inside(_) => {
                let why = format!(
                    "{ip} lies outside of the ranges of {}; it may have others",
                    way.ranges.join(", ")
                );
                unverifiable(&why, keep_s, now_ms)
            }
        }
    }

    /// What DNS said before, or a lookup that runs or begins. What has just expired stands in for it.
    fn remembered(
        self: &Arc<Self>,
        crawler: &'static KnownCrawler,
        way: &'static Way,
        ip: IpAddr,
        now_ms: u64,
    ) -> Now {
        let key = Key::new(crawler.name, ip);
        let mut state = self.state();
        let before = state.memory.get(&key).cloned();
        if let Some(known) = before.as_ref().filter(|known| known.holds(now_ms)) {
            return Now::Found(known.clone());
        }
        let lookup = match state.running.get(&key) {
            Some(lookup) => Some(lookup.clone()),
            None => Arc::clone(&self.slots).try_acquire_owned().ok().map(|slot| {
                let (told, lookup) = watch::channel(None);
                state.running.insert(key, lookup.clone());
                let run = Run { verifier: Arc::clone(self), key, told, _slot: slot };
                tokio::spawn(run.look(crawler.category, way, ip, now_ms));
                lookup
            }),
        };
        drop(state);
        if lookup.is_none() {
            self.lookups.get_or_create(&LookupLabel { outcome: "busy" }).inc();
        }
        match (before.filter(|known| known.stands_in(now_ms)), lookup) {
            (Some(before), _) => Now::Found(before),
            (None, Some(lookup)) => Now::Wait(lookup),
            (None, None) => Now::Found(unverifiable("too many lookups run at once", PENDING_S, now_ms)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lookup under way; its place is free again when it ends, however it ends.
struct Run {
    verifier: Arc<Verifier>,
    key: Key,
    told: watch::Sender<Option<Known>>,
    _slot: OwnedSemaphorePermit,
}

impl Run {
    async fn look(self, category: CrawlerCategory, way: &'static Way, ip: IpAddr, now_ms: u64) {
        let Some(Ok(dns)) = &self.verifier.dns else { return };
        let config = &self.verifier.config;
        let (outcome, found) = match dns.confirm(ip, &way.suffixes).await {
            Confirmation::Confirmed(name) => {
                let why = format!("{ip} is {name}, which leads back to it");
                ("confirmed", known(AgentVerdict::Verified(category), &why, config.keep_s, now_ms))
            }
            Confirmation::Refuted(why) => {
                ("refuted", known(AgentVerdict::Failed, &why, config.failed_keep_s, now_ms))
            }
            Confirmation::Trouble(why) => {
                tracing::debug!(why, "a crawler could not be verified");
                ("trouble", unverifiable(&why, TROUBLE_KEEP_S, now_ms))
            }
        };
        self.verifier.lookups.get_or_create(&LookupLabel { outcome }).inc();
        self.verifier.state().memory.put(self.key, found.clone());
        self.told.send_replace(Some(found));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.verifier.state().running.remove(&self.key);
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

fn known(verdict: AgentVerdict, why: &str, keep_s: u32, now_ms: u64) -> Known {
    let until_ms = now_ms.saturating_add(u64::from(keep_s) * 1000);
    Known { verdict, why: why.into(), since_ms: now_ms, until_ms }
}

fn unverifiable(why: &str, keep_s: u32, now_ms: u64) -> Known {
    known(AgentVerdict::Unverifiable, why, keep_s, now_ms)
}

fn pending(now_ms: u64) -> Known {
    known(AgentVerdict::Pending, "the name servers are being asked", PENDING_S, now_ms)
}
