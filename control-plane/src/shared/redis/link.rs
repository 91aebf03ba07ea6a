//! The connection to Redis: made again in the background when it is lost, so that nobody waits for it.
//!
//! While there is none, whoever asks is told so at once. Whatever makes Redis unusable as a whole (no answer in time,
//! no protocol, full, loading, read-only, wrong password) takes the connection away at once; then it is tried again
//! with growing pauses, by writing a key of its own as everybody else writes theirs: a server that only answers
//! PING is of no use.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisError, Value};
use tokio::sync::{Notify, watch};

use super::fault::{describe, is_general};
use super::keys::Keys;
use super::{reply, scripts};
use crate::shared::SharedError;

/// First and longest pause between two attempts to connect.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A connection that held so long was a good one: after it, pauses begin with the shortest again.
const STEADY: Duration = Duration::from_secs(10);

/// The name under which replicas agree on the hash key.
pub(super) const HASH_KEY: &str = "hash_key";

/// Why nothing is shared with Redis whose replicas have another hash key.
const OTHER_KEY: &str = "its replicas have another hash key than this database, so nothing is shared with them: start \
    with an empty database, which takes their key over, or use another redis.prefix";

/// The connection, or why there is none.
pub(super) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    keys: Keys,
    /// Host and port, without user and password.
    shown: String,
    response_timeout: Duration,
    state: Mutex<State>,
    /// The hash key of this replica; without it there is no connection.
    hash_key: OnceLock<[u8; 16]>,
    /// The replicas were found to have another key. From then on this one does not offer its own: it would shut all
    /// of them out when Redis loses its data.
    is_stranger: AtomicBool,
    doubted: Notify,
    up: watch::Sender<bool>,
    /// Requests that were answered, and those that were not, or with an error.
    pub(super) answered: AtomicU64,
    pub(super) failed: AtomicU64,
}

enum State {
    Up {
        connection: MultiplexedConnection,
        /// Tells a connection from the one after it: who failed late does not take the new one away.
        number: u64,
    },
    Down(String),
}

impl Link {
    pub(super) fn new(
        client: Client,
        shown: String,
        keys: Keys,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(connect_timeout))
            .set_response_timeout(Some(response_timeout));
        Self {
            client,
            config,
            keys,
            shown,
            response_timeout,
            state: Mutex::new(State::Down("no attempt to connect yet".to_owned())),
            hash_key: OnceLock::new(),
            is_stranger: AtomicBool::new(false),
            doubted: Notify::new(),
            up: watch::Sender::new(false),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Why there is no connection, if there is none.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.state() {
            State::Up { .. } => None,
            State::Down(reason) => Some(reason.clone()),
        }
    }

    /// Whether there is a connection, and when that changes.
    pub(super) fn up(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// Sends commands in one go and answers each one's reply or error, in order.
    ///
    /// # Errors
    /// At once where there is no connection; within the timeout where Redis does not answer.
    pub(super) async fn send(
        &self,
        commands: &mut Pipeline,
    ) -> Result<Vec<Result<Value, RedisError>>, SharedError> {
        let (mut connection, number) = self.connection()?;
        let sent = commands.ignore_errors().query_async::<Vec<Result<Value, RedisError>>>(&mut connection);
        let replies = sent.await;
        let general = match &replies {
            Ok(replies) => {
                replies.iter().filter_map(|reply| reply.as_ref().err()).find(|error| is_general(error))
            }
            Err(error) => Some(error),
        };
        if let Some(error) = general {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let reason = self.told(&describe(error, self.response_timeout));
            self.lose(number, &reason);
            return Err(SharedError(reason));
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        replies.map_err(|error| SharedError(describe(&error, self.response_timeout)))
    }

    /// What the replicas have agreed on under a name, `value` where that was the first one. Without [`Link::join`].
    pub(super) async fn agree_alone(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, String> {
        let mut connection = self.connect().await?;
        self.agree(&mut connection, name, value).await
    }

    /// Shares with replicas of this hash key from now on; the first attempt to connect is made at once.
    pub(super) async fn join(&self, hash_key: [u8; 16]) {
        self.hash_key.get_or_init(|| hash_key);
        match self.attempt(1).await {
            Ok(()) => tracing::info!(redis = self.shown, "state is shared with other replicas"),
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "state is not shared: this replica counts alone until Redis can be used"
                );
                *self.state() = State::Down(reason);
            }
        }
    }

    /// Keeps the connection up for ever, after [`Link::join`]; looks every `interval` whether Redis still answers.
    pub(super) async fn keep_up(&self, interval: Duration) {
        let mut pause = PAUSE.0;
        for number in 2.. {
            let since = Instant::now();
            self.watch(interval).await;
            if since.elapsed() > STEADY {
                pause = PAUSE.0;
            }
            loop {
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(PAUSE.1);
                match self.attempt(number).await {
                    Ok(()) => break,
                    Err(reason) => *self.state() = State::Down(reason),
                }
            }
            tracing::info!(redis = self.shown, "Redis can be used again; state is shared");
        }
    }

    /// Has it looked at now whether Redis still answers: another connection to it was lost.
    pub(super) fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Returns when there is no connection.
    async fn watch(&self, interval: Duration) {
        while let Ok((mut connection, number)) = self.connection() {
            // Either way it is time to look.
            drop(tokio::time::timeout(interval, self.doubted.notified()).await);
            let is_there = self.connection().is_ok_and(|(_, now)| now == number);
            if is_there && let Err(reason) = self.probe(&mut connection).await {
                self.lose(number, &reason);
            }
        }
    }

    async fn attempt(&self, number: u64) -> Result<(), String> {
        let mut connection = self.connect().await?;
        self.probe(&mut connection).await?;
        *self.state() = State::Up { connection, number };
        self.up.send_replace(true);
        Ok(())
    }

    /// A connection with all scripts loaded.
    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let connected = self.client.get_multiplexed_async_connection_with_config(&self.config).await;
        let mut connection = connected.map_err(|error| self.failed(&error))?;
        let mut load = redis::pipe();
        for script in scripts::ALL {
            load.cmd("SCRIPT").arg("LOAD").arg(script.source);
        }
        let loaded = self.all(load, &mut connection).await?;
        let is_right = loaded
            .iter()
            .zip(scripts::ALL)
            .all(|(hash, script)| reply::bytes(hash).is_ok_and(|hash| hash == script.hash().as_bytes()));
        if is_right { Ok(connection) } else { Err(self.told("it does not take scripts as Redis does")) }
    }

    /// Whether Redis can be written to, and is of replicas with the same hash key.
    async fn probe(&self, connection: &mut MultiplexedConnection) -> Result<(), String> {
        // A script, since that is what most operations are: the account must be allowed to run them.
        let mut probe = redis::cmd("EVALSHA");
        probe.arg(scripts::FADE.hash()).arg(1).arg(self.keys.probe()).arg(0).arg(1).arg(60);
        probe.query_async::<Value>(connection).await.map_err(|error| self.failed(&error))?;
        let Some(own) = self.hash_key.get() else { return Err("there is no hash key yet".to_owned()) };
        let agreed = if self.is_stranger.load(Ordering::Relaxed) {
            let mut get = redis::cmd("GET");
            get.arg(self.keys.agreed(HASH_KEY));
            let agreed = get.query_async::<Option<Vec<u8>>>(connection).await;
            agreed.map_err(|error| self.failed(&error))?.unwrap_or_default()
        } else {
            self.agree(connection, HASH_KEY, own).await?
        };
        self.is_stranger.store(agreed != own, Ordering::Relaxed);
        if agreed == own { Ok(()) } else { Err(self.told(OTHER_KEY)) }
    }

    async fn agree(
        &self,
        connection: &mut MultiplexedConnection,
        name: &str,
        value: &[u8],
    ) -> Result<Vec<u8>, String> {
        let replies = self.all(self.keys.agree(name, value), connection).await?;
        let agreed = replies.last().map(reply::bytes);
        agreed.and_then(Result::ok).map(<[u8]>::to_vec).ok_or_else(|| self.told("its answer is no answer"))
    }

    /// The replies to all commands, or the first error among them.
    async fn all(
        &self,
        mut commands: Pipeline,
        connection: &mut MultiplexedConnection,
    ) -> Result<Vec<Value>, String> {
        let replies = commands.ignore_errors().query_async::<Vec<Result<Value, RedisError>>>(connection);
        let replies = replies.await.and_then(|replies| replies.into_iter().collect());
        replies.map_err(|error| self.failed(&error))
    }

    /// The connection with its number, or why there is none.
    fn connection(&self) -> Result<(MultiplexedConnection, u64), SharedError> {
        match &*self.state() {
            State::Up { connection, number } => Ok((connection.clone(), *number)),
            State::Down(reason) => Err(SharedError(reason.clone())),
        }
    }

    /// Takes a connection away, if it is still the one.
    fn lose(&self, lost: u64, reason: &str) {
        let mut state = self.state();
        if !matches!(&*state, State::Up { number, .. } if *number == lost) {
            return;
        }
        *state = State::Down(reason.to_owned());
        drop(state);
        self.up.send_replace(false);
        self.doubted.notify_one();
        tracing::warn!(reason, "Redis is lost: this replica counts alone until it is back");
    }

    fn failed(&self, error: &RedisError) -> String {
        self.told(&describe(error, self.response_timeout))
    }

    fn told(&self, reason: &str) -> String {
        format!("Redis at {}: {reason}", self.shown)
    }

    /// A panic under the lock leaves either state whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
