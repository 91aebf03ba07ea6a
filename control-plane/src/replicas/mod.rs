//! Control planes that share a Redis, each with a database of its own: the same checkpoint judges in all of them, and
//! the same content of a snapshot has the same version.

mod checkpoints;
mod record;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use self::checkpoints::{FollowError, Followed};
use crate::app::App;
use crate::clock::unix_ms;
use crate::shared::Notice;

/// What this replica knows of the others.
pub struct Replicas {
    name: String,
    interval: Duration,
    followed: tokio::sync::Mutex<Followed>,
    trouble: Mutex<Option<String>>,
}

impl Replicas {
    /// For a replica that listens on this port, and looks every `interval`.
    #[must_use]
    pub fn new(port: u16, interval: Duration) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self {
            name: format!("{host}:{port}"),
            interval,
            followed: Default::default(),
            trouble: Mutex::default(),
        }
    }

    /// Why what judges here is not what judges elsewhere, while it is not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks what was decided here and elsewhere, and puts the same in force. What cannot be done is told once, and
    /// tried again at the next look.
    pub async fn look(&self, app: &App) {
        if !app.shared.health().is_shared {
            return;
        }
        let result = self.followed.lock().await.look(app, &self.name).await;
        let trouble = match &result {
            // Redis is told of by itself.
            Ok(()) | Err(FollowError::Shared(_)) => None,
            Err(error) => Some(format!("replicas: {error}")),
        };
        self.note(trouble);
        match app.publisher.settle(unix_ms()).await {
            Ok(Some(published)) => {
                app.detector.replace_engine(Arc::clone(&published.engine));
                tracing::info!(
                    version = published.version,
                    "snapshot has the number that other replicas gave it"
                );
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the snapshot did not get the number of other replicas"),
        }
    }

    fn note(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = trouble.as_ref().filter(|_| trouble != *known) {
            tracing::error!(reason, "replicas do not judge by the same checkpoint");
        }
        *known = trouble;
    }
}

/// Follows the other replicas for ever.
pub async fn run(app: Arc<App>) {
    let mut notices = app.shared.notices();
    let mut promoted = app.models.promoted();
    let mut looks = tokio::time::interval(app.replicas.interval);
    loop {
        tokio::select! {
            notice = notices.recv() => match notice {
                Ok(Notice::Checkpoint) | Err(RecvError::Lagged(_)) => {}
                Ok(_) => continue,
                Err(RecvError::Closed) => return,
            },
            changed = promoted.changed() => if changed.is_err() {
                return;
            },
            _ = looks.tick() => {}
        }
        app.replicas.look(&app).await;
    }
}
