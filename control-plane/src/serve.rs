//! `sallyport serve`: from configuration to a running server, and its orderly end.

use std::future::Future;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api;
use crate::app::App;
use crate::auth::REFRESH_INTERVAL;
use crate::config::{Loaded, Sources};
use crate::store::{SqliteStore, Store};
use crate::{
    issued, learning, limits, listen, lists, logins, marks, models, ranges, reload, replicas, sessions,
};

/// Serves until SIGINT or SIGTERM; then no new request is taken, those in flight end, rows are written.
///
/// # Errors
/// What keeps it from starting: the address is taken, the database cannot be opened.
pub async fn serve(sources: Sources, loaded: Loaded) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let listener = bind(&loaded).await?;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&loaded.config.store)?);
    let app = App::start(store, &loaded).await?;
    tracing::info!(
        address = %listener.local_addr()?,
        snapshot = app.publisher.current().version,
        checkpoint = app.publisher.current().checkpoint,
        database = %loaded.config.store.path.display(),
        "serving"
    );
    if app.keyring.is_empty() {
        tracing::warn!(
            "there is no token yet, so nobody may ask; make one for this database with \
             `sallyport token create --role admin --name NAME`"
        );
    }
    let tasks = background(&app, sources, loaded);
    let ending = Arc::clone(&app);
    let stop = async move {
        stop.await;
        // Also so that nobody who follows a job keeps the server from ending.
        ending.jobs.cancel_all();
    };
    run(listener, Arc::clone(&app), stop).await;
    drop(tasks);
    if let Err(error) = app.store.flush().await {
        tracing::error!(%error, "the last rows could not be written");
    }
    tracing::info!("stopped");
    Ok(())
}

/// What goes on beside the requests; it ends when dropped.
fn background(app: &Arc<App>, sources: Sources, loaded: Loaded) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let shared = || Arc::clone(&app.shared);
    let interval = Duration::from_secs(loaded.config.redis.poll_interval_s.into());
    tasks.spawn(refresh_tokens(Arc::clone(app)));
    tasks.spawn(models::watch(Arc::clone(&app.models)));
    tasks.spawn(learning::run(Arc::clone(app)));
    tasks.spawn(ranges::schedule::run(Arc::clone(app)));
    tasks.spawn(lists::watch(Arc::clone(&app.lists)));
    tasks.spawn(lists::replicate(Arc::clone(&app.lists), shared(), interval));
    tasks.spawn(limits::run(Arc::clone(&app.limits)));
    tasks.spawn(sessions::run(Arc::clone(&app.sessions)));
    tasks.spawn(issued::run(Arc::clone(&app.issued)));
    tasks.spawn(logins::share(Arc::clone(&app.logins), shared()));
    tasks.spawn(marks::of_networks(Arc::clone(&app.marks), Arc::clone(&app.logins)));
    tasks.spawn(replicas::run(Arc::clone(app)));
    tasks.spawn(reload::watch(Arc::clone(app), sources, loaded));
    tasks
}

/// Serves an app on a listener until `stop`, then waits for requests in flight, but not longer than configured.
pub async fn run(listener: TcpListener, app: Arc<App>, stop: impl Future<Output = ()> + Send + 'static) {
    let grace = Duration::from_secs(app.server.shutdown_grace_s.into());
    let (stopping, stopped) = watch::channel(false);
    let config = app.server.clone();
    let server = listen::serve(listener, api::router(app), &config, async move {
        stop.await;
        stopping.send_replace(true);
    });
    let too_late = async move {
        let mut stopped = stopped;
        // An error means that the server ended by itself, which the other branch tells.
        drop(stopped.wait_for(|stopped| *stopped).await);
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        () = server => {}
        () = too_late => tracing::warn!("requests in flight did not end in time"),
    }
}

/// Sends logs to standard error: text for a terminal, JSON for anything else. `RUST_LOG` filters.
pub fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A line that cannot be written is lost. The default would tell so on standard error, and panic where that is what
    // cannot be written: a full disk would end the control plane.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    // Only an earlier call makes this fail, and then logging works.
    if std::io::stderr().is_terminal() {
        drop(builder.try_init());
    } else {
        drop(builder.json().try_init());
    }
}

async fn bind(loaded: &Loaded) -> anyhow::Result<TcpListener> {
    let address = SocketAddr::new(loaded.config.server.host, loaded.config.server.port);
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set server.host and server.port, or --port"))
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    })
}

async fn refresh_tokens(app: Arc<App>) {
    let mut ticks = tokio::time::interval(REFRESH_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = app.keyring.refresh().await {
            tracing::warn!(%error, "tokens could not be read again");
        }
    }
}
