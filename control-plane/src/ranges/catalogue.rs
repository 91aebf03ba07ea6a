//! The ranges of a running control plane, and the one update at a time that it carries out.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use super::Assembly;
use super::update::{Event, Report, Wanted, update};
use crate::app::App;
use crate::clock::unix_ms;
use crate::config::FetchConfig;
use crate::fetch::{Client, FetchError};
use crate::snapshot::PublishError;

/// The ranges in force.
pub struct Catalogue {
    current: watch::Sender<Arc<Assembly>>,
    client: Client,
    /// Whoever updates holds it.
    updating: Mutex<()>,
}

/// Why no update was carried out, or what it brought was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Another one runs.
    #[error("an update runs already, here or in another process; wait until it has ended")]
    Busy,
    /// A name that is no source's.
    #[error("there is no source {0}; `sallyport ranges show` names those there are")]
    Unknown(String),
    /// The folder cannot be written.
    #[error("the folder of ranges cannot be written: {0}")]
    Folder(#[from] std::io::Error),
    /// No snapshot could be made of the new ranges; they are kept all the same.
    #[error("the ranges were fetched, but no snapshot was published: {0}")]
    Publish(#[from] PublishError),
}

impl Catalogue {
    /// The ranges in force, and how others are fetched.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(assembly: Assembly, fetch: &FetchConfig) -> Result<Self, FetchError> {
        let (current, client) = (watch::Sender::new(Arc::new(assembly)), Client::new(fetch)?);
        Ok(Self { current, client, updating: Mutex::new(()) })
    }

    /// The ranges in force.
    pub fn current(&self) -> Arc<Assembly> {
        Arc::clone(&self.current.borrow())
    }

    /// Tells whenever others are put in force.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Assembly>> {
        self.current.subscribe()
    }

    /// Puts others in force here; publishing them is up to the caller.
    pub fn replace(&self, assembly: Assembly) {
        self.current.send_replace(Arc::new(assembly));
    }
}

/// Fetches lists, and publishes a snapshot where anything changed: what came of each source, and the version in force.
///
/// # Errors
/// See [`UpdateError`]; that a source cannot be had is none, but stands in its report.
pub async fn update_and_publish(app: &App, wanted: &Wanted) -> Result<(Vec<Report>, u64), UpdateError> {
    let Catalogue { client, updating, .. } = &*app.ranges;
    let _running = updating.try_lock().map_err(|_| UpdateError::Busy)?;
    let told = |source: &str, event: Event| match event {
        Event::Failed(error) => {
            tracing::warn!(source, error, "ranges could not be fetched; the old ones stay")
        }
        Event::Fetched { ranges } => tracing::info!(source, ranges, "ranges fetched"),
        Event::Bytes(_) | Event::Unchanged => {}
    };
    let reports = update(client, &app.ranges.current().inputs, wanted, Arc::new(told)).await?;
    // The configuration may have changed meanwhile.
    let renewed = app.ranges.current().renewed();
    let published = app.publisher.publish_ranges(renewed.compile(), unix_ms()).await?;
    app.detector.replace_engine(Arc::clone(&published.engine));
    app.set_ranges(renewed);
    Ok((reports, published.version))
}
