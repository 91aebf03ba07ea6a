//! A tap between the filter and the control plane: passes everything on and notes how each poll was answered, so
//! that a scenario counts polls instead of seconds.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};

use super::{Site, eventually};

/// Larger than any snapshot.
const LARGEST: usize = 64 << 20;

/// Listens on a port of its own; ends when dropped.
#[derive(Debug)]
pub struct Tap {
    site: Site,
    polls: Polls,
}

/// The status of every answer to a poll, oldest first.
type Polls = Arc<Mutex<Vec<u16>>>;

#[derive(Clone)]
struct Behind {
    port: u16,
    client: reqwest::Client,
    polls: Polls,
}

impl Tap {
    /// Passes on to this port of 127.0.0.1.
    pub async fn before(port: u16) -> Self {
        let polls = Polls::default();
        let behind = Behind { port, client: crate::http::client(), polls: Arc::clone(&polls) };
        Self { site: Site::serve(Router::new().fallback(pass).with_state(behind), 0).await, polls }
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.site.port()
    }

    /// Carries out a change, and tells how many polls it took from the moment it was acknowledged until one brought a
    /// snapshot; 0 where that came before.
    ///
    /// # Panics
    /// When none comes within 20 s.
    pub async fn polls_until_snapshot(&self, change: impl Future<Output = ()>) -> usize {
        let before = self.polls().len();
        change.await;
        let done = self.polls().len();
        eventually("a poll that brings a snapshot", || {
            let polls = self.polls();
            let brought = polls[before..].iter().position(|status| *status == 200);
            brought.map(|at| (before + at + 1).saturating_sub(done)).ok_or_else(|| format!("{polls:?}"))
        })
        .await
    }

    /// How the polls were answered up to now, oldest first: 200 with a new snapshot, 304 without.
    #[must_use]
    pub fn polls(&self) -> Vec<u16> {
        self.polls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass(State(behind): State<Behind>, request: Request) -> Response<Body> {
    let is_poll = request.uri().path() == "/v1/snapshot";
    let answer = match forward(&behind, request).await {
        Some(answer) => answer,
        None => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        }
    };
    if is_poll {
        let mut polls = behind.polls.lock().unwrap_or_else(PoisonError::into_inner);
        polls.push(answer.status().as_u16());
    }
    answer
}

/// `None` when nothing answers behind it.
async fn forward(behind: &Behind, request: Request) -> Option<Response<Body>> {
    let (head, body) = request.into_parts();
    let url = format!("http://127.0.0.1:{}{}", behind.port, head.uri);
    let body = to_bytes(body, LARGEST).await.ok()?;
    let sent = behind.client.request(head.method, url).headers(head.headers).body(body).send().await.ok()?;
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = sent.status();
    answer.headers_mut().clone_from(sent.headers());
    *answer.body_mut() = Body::from(sent.bytes().await.ok()?);
    Some(answer)
}
