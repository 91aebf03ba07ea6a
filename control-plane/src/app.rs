//! Everything a running control plane consists of, and how it comes up.

use std::sync::Arc;

use anyhow::Context;
use sallyport_core::HashKey;

use crate::auth::Keyring;
use crate::clock::unix_ms;
use crate::config::{Config, LimitsConfig, Loaded, ServerConfig};
use crate::detector::Detector;
use crate::learning::Learning;
use crate::limits::Limits;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::models::jobs::Jobs;
use crate::models::{Judging, Registry};
use crate::shared::{self, SharedState};
use crate::sessions::Sessions;
use crate::snapshot::Publisher;
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
    /// Settles rate limits with other replicas.
    pub limits: Arc<Limits>,
    /// Counts suspicious actions of sessions.
    pub sessions: Arc<Sessions>,
    /// What filters should know of sessions and networks.
    pub marks: Arc<Marks>,
    /// What replicas share.
    pub shared: Arc<dyn SharedState>,
    /// Training in the background.
    pub jobs: Jobs,
    /// What is counted.
    pub metrics: Metrics,
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
        let publisher = Publisher::start(Arc::clone(&store), key, loaded, active, unix_ms()).await?;
        let publisher = Arc::new(publisher);
        let LimitsConfig { addresses, .. } = loaded.config.limits;
        let detector = Arc::new(Detector::new(publisher.current().engine.clone(), &loaded.config.limits));
        let models = Arc::new(Registry::new(
            Arc::clone(&store),
            Arc::clone(&publisher),
            Arc::clone(&detector),
            judging,
            loaded.config.model.clone(),
        ));
        detector.recall(&store.recent_addresses(addresses).await?);
        let keyring = Keyring::new(Arc::clone(&store));
        keyring.refresh().await?;
        let marks = Arc::new(Marks::new().context("no random bytes")?);
        let sizes = &loaded.config.limits;
        let limits = Arc::new(Limits::new(Arc::clone(&shared), Arc::clone(&detector), sizes));
        let sessions =
            Sessions::new(Arc::clone(&shared), Arc::clone(&detector), Arc::clone(&marks), sizes);
        let metrics = Metrics::default();
        let server = loaded.config.server.clone();
        Ok(Arc::new(Self {
            store,
            keyring,
            detector,
            publisher,
            models,
            learning: Learning::default(),
            limits,
            sessions: Arc::new(sessions),
            marks,
            shared,
            jobs: Jobs::default(),
            metrics,
            server,
        }))
    }
}

/// What is shared with other replicas, and the hash key: the database's, made or taken over on first start.
async fn share(store: &dyn Store, config: &Config) -> anyhow::Result<(Arc<dyn SharedState>, HashKey)> {
    let kept = store.setting(HASH_KEY).await?.map(key_bytes).transpose()?;
    let chosen = shared::choose_hash_key(config, kept).await?;
    // Another process may begin the same database at the same time.
    let hash_key = key_bytes(store.claim_setting(HASH_KEY, chosen.to_vec()).await?)?;
    Ok((shared::open(config, hash_key).await?, HashKey::from_bytes(hash_key)))
}

fn key_bytes(bytes: Vec<u8>) -> Result<[u8; 16], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Failed("the setting `hash_key` has not 16 bytes".to_owned()))
}
