//! A changed configuration, without a restart: on SIGHUP, or when its files change.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::clock::unix_ms;
use crate::config::{Loaded, Sources};
use crate::shared::Notice;

/// Time between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);

/// Watches for ever. A faulty configuration is refused with all its mistakes, and the old one stays. A changed
/// file is read once it has not changed between two looks: somebody may be in the middle of writing it.
pub async fn watch(app: Arc<App>, sources: Sources, mut loaded: Loaded) {
    let mut ticks = tokio::time::interval(LOOK);
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be listened to; the configuration stays as it is");
            return;
        }
    };
    let mut notices = app.shared.notices();
    let mut waiting = false;
    loop {
        let mut told = false;
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            _ = ticks.tick() => false,
            notice = notices.recv() => {
                // Their files may have come here by the same way; what they say themselves counts only there.
                told = notice == Ok(Notice::Policy);
                told
            }
        };
        let changed = loaded.files.changed();
        if !asked && (changed || !waiting) {
            waiting |= changed;
            continue;
        }
        waiting = false;
        match reload(&app, &sources, &loaded).await {
            Ok(next) => {
                // Whoever reads again because of somebody else tells nobody: that would go round for ever.
                if !told {
                    app.shared.tell(Notice::Policy);
                }
                loaded = next;
            }
            Err(error) => {
                app.metrics.reloads_refused.inc();
                tracing::error!("configuration refused, the old one stays: {error}");
            }
        }
    }
}

/// Loads the configuration again and puts in force what can change while running: policy, ranges, trusted
/// proxies and how models take turns.
///
/// # Errors
/// All mistakes of the configuration, or why no snapshot could be published.
pub async fn reload(app: &App, sources: &Sources, old: &Loaded) -> anyhow::Result<Loaded> {
    let new = sources.load()?;
    let file = sources.path();
    anyhow::ensure!(
        new.files.existed(&file) || !old.files.existed(&file),
        "{} is gone; to go on without it, start anew",
        file.display()
    );
    let before = app.publisher.current().version;
    let published = app.publisher.publish_config(&new, unix_ms()).await?;
    if published.version != before {
        app.detector.replace_engine(Arc::clone(&published.engine));
        tracing::info!(version = published.version, "snapshot published");
    }
    app.lists.set_trusted_proxies(new.config.lists.proxies());
    app.set_ranges(new.ranges.clone());
    app.models.set_config(new.config.model.clone());
    let (was, is) = (&old.config, &new.config);
    let fixed = [
        ("server", was.server != is.server),
        ("store", was.store != is.store),
        ("limits", was.limits != is.limits),
        ("crawlers", was.crawlers != is.crawlers),
        ("redis", was.redis != is.redis),
        ("fetch", was.fetch != is.fetch),
        ("reputation", was.reputation != is.reputation),
        ("secrets", was.secrets != is.secrets),
    ];
    for (section, _) in fixed.iter().filter(|(_, changed)| *changed) {
        tracing::warn!(section, "this section changed; it takes effect on the next start");
    }
    Ok(new)
}
