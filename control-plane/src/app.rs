//! Everything a running control plane consists of, and how it comes up.

use std::sync::Arc;

use sallyport_core::HashKey;

use crate::api::ApiLimits;
use crate::auth::Keyring;
use crate::clock::unix_ms;
use crate::config::{LimitsConfig, Loaded, ServerConfig};
use crate::detector::Detector;
use crate::learning::Learning;
use crate::logins::Logins;
use crate::metrics::Metrics;
use crate::models::jobs::Jobs;
use crate::models::{Judging, Registry};
use crate::shared::{Memory, SharedState};
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
    /// Failed logins of networks and accounts.
    pub logins: Arc<Logins>,
    /// What replicas share.
    pub shared: Arc<dyn SharedState>,
    /// Training in the background.
    pub jobs: Jobs,
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
        let key = hash_key(&*store).await?;
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
        let metrics = Metrics::default();
        let server = loaded.config.server.clone();
        let api_limits = ApiLimits::new(server.rate_limits, publisher.current().engine.key().clone());
        Ok(Arc::new(Self {
            store,
            keyring,
            detector,
            publisher,
            models,
            learning: Learning::default(),
            logins: Arc::default(),
            shared: Arc::new(Memory::default()),
            jobs: Jobs::default(),
            metrics,
            api_limits,
            server,
        }))
    }
}

/// The deployment's hash key, made on first start.
async fn hash_key(store: &dyn Store) -> Result<HashKey, StoreError> {
    let mut fresh = [0; 16];
    getrandom::fill(&mut fresh).map_err(|error| StoreError::Failed(format!("no random bytes: {error}")))?;
    let kept = store.claim_setting(HASH_KEY, fresh.to_vec()).await?;
    let bytes: [u8; 16] = kept
        .try_into()
        .map_err(|_| StoreError::Failed("the setting `hash_key` has not 16 bytes".to_owned()))?;
    Ok(HashKey::from_bytes(bytes))
}
