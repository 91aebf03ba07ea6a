//! Everything a running control plane consists of, and how it comes up.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sallyport_core::HashKey;

use crate::api::ApiLimits;
use crate::auth::Keyring;
use crate::clock::unix_ms;
use crate::config::{Config, LimitsConfig, Loaded, ServerConfig};
use crate::crawlers::{CrawlerRanges, Verifier};
use crate::detector::Detector;
use crate::fetch;
use crate::issued::Issued;
use crate::learning::Learning;
use crate::limits::Limits;
use crate::lists::{self, OperatorLists};
use crate::logins::Logins;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::models::jobs::Jobs;
use crate::models::{Judging, Registry};
use crate::providers::{Known, Reputation};
use crate::ranges::{Assembly, Catalogue};
use crate::replicas::Replicas;
use crate::sessions::Sessions;
use crate::shared::{self, SharedState};
use crate::snapshot::{Contents, Publisher};
use crate::store::{Store, StoreError};

/// The setting that holds the key of all keyed hashes.
const HASH_KEY: &str = "hash_key";

/// The parts, shared by all handlers.
pub struct App {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// Who may ask.
    pub keyring: Keyring,
    /// Who judges.
    pub detector: Arc<Detector>,
    /// What filters pull.
    pub publisher: Arc<Publisher>,
    /// Which models judge and look on.
    pub models: Arc<Registry>,
    /// Learning from feedback.
    pub learning: Learning,
    /// The lists that operators change while it runs.
    pub lists: Arc<OperatorLists>,
    /// Failed logins of networks and accounts.
    pub logins: Arc<Logins>,
    /// Settles rate limits with other replicas.
    pub limits: Arc<Limits>,
    /// Counts suspicious actions of sessions.
    pub sessions: Arc<Sessions>,
    /// Passes on which sessions the site issued.
    pub issued: Arc<Issued>,
    /// What filters should know of sessions and networks.
    pub marks: Arc<Marks>,
    /// What replicas share.
    pub shared: Arc<dyn SharedState>,
    /// What providers know of addresses.
    pub providers: Arc<Reputation>,
    /// The other control planes.
    pub replicas: Replicas,
    /// Training in the background.
    pub jobs: Jobs,
    /// Whether crawlers are who they claim to be.
    pub crawlers: Arc<Verifier>,
    /// Whose addresses are whose.
    pub ranges: Arc<Catalogue>,
    /// What is counted.
    pub metrics: Metrics,
    /// How often callers may ask.
    pub api_limits: ApiLimits,
    /// Limits of the HTTP server.
    pub server: ServerConfig,
}

impl App {
    /// Brings all parts up on an open store.
    ///
    /// # Errors
    /// When the store does not answer, or the policy makes no snapshot.
    pub async fn start(store: Arc<dyn Store>, loaded: &Loaded) -> anyhow::Result<Arc<Self>> {
        let (shared, key) = share(&*store, &loaded.config).await?;
        let judging = Judging::read(&*store).await?;
        if let Some(fault) = &judging.fault {
            tracing::error!(fault, checkpoint = judging.active.id, "an earlier checkpoint judges");
        }
        let active = Arc::clone(&judging.active);
        let listed = lists::InForce::read(&*store, unix_ms()).await?;
        let contents = Contents::of(loaded, listed.lists.clone(), active);
        let publisher =
            Publisher::start(Arc::clone(&store), Arc::clone(&shared), key, contents, unix_ms()).await?;
        let publisher = Arc::new(publisher);
        let LimitsConfig { addresses, .. } = loaded.config.limits;
        let client = fetch::Client::new(&loaded.config.fetch)?;
        let reputation = &loaded.config.reputation;
        let known = Arc::new(Known::of(reputation));
        let providers = Arc::new(Reputation::start(
            reputation,
            &loaded.config.secrets,
            &client,
            Arc::clone(&shared),
            Arc::clone(&known),
        ));
        let detector = Detector::new(publisher.current().engine.clone(), &loaded.config.limits);
        let detector = Arc::new(detector.knowing(known));
        let models = Arc::new(Registry::new(
            Arc::clone(&store),
            Arc::clone(&publisher),
            Arc::clone(&detector),
            judging,
            loaded.config.model.clone(),
        ));
        let lists = Arc::new(OperatorLists::new(
            Arc::clone(&store),
            Arc::clone(&publisher),
            Arc::clone(&detector),
            listed,
            loaded.config.lists.proxies(),
        ));
        detector.recall(&store.recent_addresses(addresses).await?);
        let keyring = Keyring::new(Arc::clone(&store));
        keyring.refresh().await?;
        let ranges = Arc::new(Catalogue::new(loaded.ranges.clone(), &loaded.config.fetch)?);
        let crawlers = Verifier::new(&loaded.config.crawlers);
        crawlers.set_ranges(CrawlerRanges::new(loaded.ranges.crawlers()));
        let marks = Arc::new(Marks::new().context("no random bytes")?);
        let sizes = &loaded.config.limits;
        let limits = Arc::new(Limits::new(Arc::clone(&shared), Arc::clone(&detector), sizes));
        let sessions = Sessions::new(Arc::clone(&shared), Arc::clone(&detector), Arc::clone(&marks), sizes);
        let issued = Issued::new(Arc::clone(&shared), Arc::clone(&detector), Arc::clone(&marks), sizes);
        let metrics = Metrics::default();
        let interval = Duration::from_secs(loaded.config.redis.poll_interval_s.into());
        let replicas = Replicas::new(loaded.config.server.port, interval);
        let server = loaded.config.server.clone();
        let api_limits = ApiLimits::new(server.rate_limits, publisher.current().engine.key().clone());
        let app = Arc::new(Self {
            store,
            keyring,
            detector,
            publisher,
            models,
            learning: Learning::default(),
            lists,
            limits,
            sessions: Arc::new(sessions),
            issued: Arc::new(issued),
            marks,
            shared,
            providers,
            logins: Arc::default(),
            replicas,
            jobs: Jobs::default(),
            crawlers: Arc::new(crawlers),
            ranges,
            metrics,
            api_limits,
            server,
        });
        // A newcomer judges like the others before it is asked.
        app.replicas.look(&app).await;
        Ok(app)
    }

    /// Puts ranges in force for lookups and for the verification of crawlers; publishing them is up to the caller.
    pub fn set_ranges(&self, ranges: Assembly) {
        self.crawlers.set_ranges(CrawlerRanges::new(ranges.crawlers()));
        self.ranges.replace(ranges);
    }
}

/// What is shared with other replicas, and the hash key.
async fn share(store: &dyn Store, config: &Config) -> anyhow::Result<(Arc<dyn SharedState>, HashKey)> {
    let hash_key = hash_key(store, config).await?;
    Ok((shared::open(config, hash_key.to_bytes()).await?, hash_key))
}

/// The deployment's hash key: the database's, made or taken over from other replicas on first start.
pub(crate) async fn hash_key(store: &dyn Store, config: &Config) -> anyhow::Result<HashKey> {
    let kept = store.setting(HASH_KEY).await?.map(key_bytes).transpose()?;
    let chosen = shared::choose_hash_key(config, kept).await?;
    // Another process may begin the same database at the same time.
    let hash_key = key_bytes(store.claim_setting(HASH_KEY, chosen.to_vec()).await?)?;
    Ok(HashKey::from_bytes(hash_key))
}

fn key_bytes(bytes: Vec<u8>) -> Result<[u8; 16], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Failed("the setting `hash_key` has not 16 bytes".to_owned()))
}
