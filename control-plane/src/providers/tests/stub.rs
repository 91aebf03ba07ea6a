//! A provider's server on this machine, and a provider without any.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use sallyport_core::{Action, Basis, Decision};
use tokio::net::TcpListener;

use crate::config::{FetchConfig, ReputationConfig};
use crate::fetch::Client;
use crate::providers::{Answer, IpReputation, Known, LookupError, Provider, Reputation, Source};
use crate::shared::{Memory, SharedState};

/// Unix ms at which tests begin: noon UTC of some day.
pub(super) const NOON: u64 = 20_000 * 86_400_000 + 43_200_000;

/// Addresses that are public; nothing is ever sent to them.
pub(super) fn ip(number: u8) -> IpAddr {
    Ipv4Addr::new(9, 9, 9, number).into()
}

/// A server that gives the same answer to everything and remembers what it was asked.
pub(super) struct Stub {
    /// `http://127.0.0.1:port`.
    pub(super) base: String,
    asked: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Stub {
    pub(super) async fn answering<A: IntoResponse + Send>(
        answer: impl Fn() -> A + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::waiting(move || {
            let answer = answer();
            async { answer }
        })
        .await
    }

    pub(super) async fn waiting<A, F>(answer: impl Fn() -> F + Clone + Send + Sync + 'static) -> Self
    where
        A: IntoResponse,
        F: Future<Output = A> + Send,
    {
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let log = Arc::clone(&asked);
        let router = Router::new().fallback(move |request: Request| {
            let target = request.uri().to_string();
            log.lock().expect("not poisoned").push((target, request.headers().clone()));
            let answer = answer();
            async move { answer.await.into_response() as Response }
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, asked }
    }

    /// What it was asked: target and headers.
    pub(super) fn asked(&self) -> Vec<(String, HeaderMap)> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// A client that may ask this server and nobody else on this machine.
    pub(super) fn client(&self) -> Client {
        let host = self.base.trim_start_matches("http://").to_owned();
        Client::new(&FetchConfig { allow_private: vec![host], ..FetchConfig::default() }).expect("a client")
    }
}

/// A provider that answers what it is told to, in turn, and then that the address is clean.
pub(super) struct Scripted {
    pub(super) source: Source,
    pub(super) script: Mutex<VecDeque<LookupError>>,
    pub(super) calls: AtomicUsize,
    pub(super) at_once: AtomicUsize,
    pub(super) most_at_once: AtomicUsize,
    /// How long each answer takes.
    pub(super) takes: Duration,
}

impl Scripted {
    pub(super) fn new(script: impl IntoIterator<Item = LookupError>) -> Arc<Self> {
        Self::slow(Duration::ZERO, script)
    }

    pub(super) fn slow(takes: Duration, script: impl IntoIterator<Item = LookupError>) -> Arc<Self> {
        Arc::new(Self {
            source: Source::IpQualityScore,
            script: Mutex::new(script.into_iter().collect()),
            calls: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            takes,
        })
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Provider for Arc<Scripted> {
    fn source(&self) -> Source {
        self.source
    }

    fn look_up(&self, _: IpAddr, now_ms: u64) -> Answer<'_> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let next = self.script.lock().expect("not poisoned").pop_front();
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            let vpn = IpReputation { is_vpn: true, ..IpReputation::clean(self.source, now_ms) };
            next.map_or(Ok(vpn), Err)
        })
    }
}

/// A replica that asks these providers, each with a quota per day.
pub(super) fn replica(
    config: &ReputationConfig,
    providers: &[(&Arc<Scripted>, u32)],
    shared: &Arc<Memory>,
) -> Reputation {
    sharing(config, providers, Arc::clone(shared) as Arc<dyn SharedState>)
}

/// The same with any shared state.
pub(super) fn sharing(
    config: &ReputationConfig,
    providers: &[(&Arc<Scripted>, u32)],
    shared: Arc<dyn SharedState>,
) -> Reputation {
    let boxed = |(provider, quota): &(&Arc<Scripted>, u32)| -> (Box<dyn Provider>, u32) {
        (Box::new(Arc::clone(provider)), *quota)
    };
    let known = Arc::new(Known::new(config.addresses as usize));
    Reputation::with_providers(config, providers.iter().map(boxed).collect(), shared, known)
}

/// A replica of its own with one provider.
pub(super) fn alone(config: &ReputationConfig, provider: &Arc<Scripted>) -> Reputation {
    replica(config, &[(provider, 1000)], &Arc::default())
}

/// A decision that rests on a score.
pub(super) fn decision(action: Action) -> Decision {
    Decision { action, basis: Basis::Score, ..Decision::default() }
}
