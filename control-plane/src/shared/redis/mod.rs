//! Shared state in Redis: what replicas count together.
//!
//! Everything that must happen at once is a script (`scripts/`); batches are pipelines of them. Nothing is tried
//! twice but what Redis certainly did not do: a charge that may have been counted is not counted again. Where Redis
//! cannot be used every operation says so at once; [`super::Fallback`] then asks memory.

mod fault;
mod keys;
mod link;
mod notices;
mod reply;
mod scripts;
mod sets;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::{ErrorKind, Pipeline, ServerErrorKind, Value};
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use self::keys::Keys;
use self::link::Link;
use self::notices::{Listening, Notices};
use self::scripts::Script;
use super::{
    Answer, Charge, Fading, KEPT_BYTES, MOST_AHEAD_US, Notice, Numbered, SetRecord, SharedError,
    SharedHealth, SharedState, Suspicion, check_kept, check_name, fading_keep_s, sensible,
};
use crate::config::RedisConfig;

/// Most commands in one pipeline: each is answered within the timeout, with room to spare.
const PIPELINE: usize = 250;

/// First byte of what is kept under a name: an empty value is not none.
const PRESENT: u8 = b'=';

/// Shared state in Redis.
pub struct Redis {
    link: Arc<Link>,
    keys: Keys,
    notices: Arc<Notices>,
    listening: Option<Listening>,
    interval: Duration,
    tasks: Vec<AbortHandle>,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Redis {
    /// Prepares; nothing is connected before [`Redis::join`].
    ///
    /// # Errors
    /// When the configuration is wrong; its check says the same.
    pub fn new(config: &RedisConfig, password: &str) -> Result<Self, SharedError> {
        let target = config.target(password).map_err(SharedError)?;
        let mut instance = [0; 8];
        getrandom::fill(&mut instance).map_err(|error| SharedError(format!("no random bytes: {error}")))?;
        let keys = Keys::new(&config.prefix, u64::from_le_bytes(instance));
        let connect_timeout = Duration::from_millis(config.connect_timeout_ms.into());
        let response_timeout = Duration::from_millis(config.response_timeout_ms.into());
        let interval = Duration::from_secs(config.poll_interval_s.into());
        let client = target.client;
        let link = Link::new(client.clone(), target.shown, keys.clone(), connect_timeout, response_timeout);
        let listening = Listening { client, keys: keys.clone(), connect_timeout, response_timeout, interval };
        Ok(Self {
            link: Arc::new(link),
            keys,
            notices: Arc::default(),
            listening: Some(listening),
            interval,
            tasks: Vec::new(),
        })
    }

    /// The hash key that the replicas have agreed on, `candidate` where there was none yet.
    ///
    /// # Errors
    /// Why Redis cannot be asked.
    pub async fn agree_on_key(&self, candidate: [u8; 16]) -> Result<[u8; 16], SharedError> {
        let agreed = self.link.agree_alone(link::HASH_KEY, &candidate).await.map_err(SharedError)?;
        agreed.try_into().map_err(|_| SharedError("the hash key in Redis has not 16 bytes".to_owned()))
    }

    /// Shares with replicas of this hash key from now on, for as long as this lives. The first attempt to connect has
    /// been made when this returns, within the timeouts.
    pub async fn join(&mut self, hash_key: [u8; 16]) {
        let Some(listening) = self.listening.take() else { return };
        self.link.join(hash_key).await;
        let first = match self.link.trouble() {
            None => listening.subscribe(&self.notices).await.ok(),
            Some(_) => None,
        };
        let (link, interval) = (Arc::clone(&self.link), self.interval);
        let keep_up = tokio::spawn(async move { link.keep_up(interval).await });
        let (link, keys, notices) = (Arc::clone(&self.link), self.keys.clone(), Arc::clone(&self.notices));
        let send = tokio::spawn(async move { notices.send(&link, &keys).await });
        let (link, notices) = (Arc::clone(&self.link), Arc::clone(&self.notices));
        let listen = tokio::spawn(async move { listening.run(&notices, &link, first).await });
        self.tasks = [keep_up, send, listen].iter().map(tokio::task::JoinHandle::abort_handle).collect();
    }

    /// Runs a script once for each call (keys, arguments), and answers in order.
    async fn run(&self, script: &Script, calls: &[Call]) -> Result<Vec<Value>, SharedError> {
        let mut values = Vec::with_capacity(calls.len());
        for calls in calls.chunks(PIPELINE) {
            let all: Vec<_> = calls.iter().collect();
            let mut replies = self.link.send(&mut pipeline(script, &all)).await?;
            let not_known: Vec<usize> = (0..calls.len()).filter(|n| lacks_script(replies.get(*n))).collect();
            if !not_known.is_empty() {
                // Somebody made Redis forget its scripts; what it did not know it did not do.
                let again: Vec<_> = not_known.iter().filter_map(|n| calls.get(*n)).collect();
                let mut commands = redis::pipe();
                commands.cmd("SCRIPT").arg("LOAD").arg(script.source);
                self.link.send(&mut commands).await?;
                let repeated = self.link.send(&mut pipeline(script, &again)).await?;
                for (n, reply) in not_known.into_iter().zip(repeated) {
                    replies[n] = reply;
                }
            }
            if replies.len() != calls.len() {
                return Err(SharedError("Redis answered another number of commands".to_owned()));
            }
            for reply in replies {
                values.push(reply.map_err(|error| self.odd(&error))?);
            }
        }
        Ok(values)
    }

    /// Runs a script once.
    async fn run_one(&self, script: &Script, call: Call) -> Result<Value, SharedError> {
        Ok(self.run(script, &[call]).await?.pop().unwrap_or(Value::Nil))
    }

    /// Sends one command.
    async fn ask(&self, command: redis::Cmd) -> Result<Value, SharedError> {
        let mut commands = redis::pipe();
        commands.add_command(command);
        let reply = self.link.send(&mut commands).await?.pop();
        reply.unwrap_or(Ok(Value::Nil)).map_err(|error| self.odd(&error))
    }

    /// An error that is about one command only, such as a key that holds something else.
    fn odd(&self, error: &redis::RedisError) -> SharedError {
        self.link.failed.fetch_add(1, Ordering::Relaxed);
        SharedError(fault::cut(&error.to_string()))
    }
}

/// Keys and arguments of a script.
struct Call {
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    fn new(key: String) -> Self {
        Self { keys: vec![key], arguments: Vec::new() }
    }

    fn with(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string().into_bytes());
        self
    }
}

fn pipeline(script: &Script, calls: &[&Call]) -> Pipeline {
    let mut commands = Pipeline::with_capacity(calls.len());
    for call in calls {
        let command = commands.cmd("EVALSHA").arg(script.hash()).arg(call.keys.len());
        command.arg(&call.keys).arg(&call.arguments);
    }
    commands
}

fn lacks_script(reply: Option<&Result<Value, redis::RedisError>>) -> bool {
    let no_script = ErrorKind::Server(ServerErrorKind::NoScript);
    matches!(reply, Some(Err(error)) if error.kind() == no_script)
}

impl SharedState for Redis {
    fn charge<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Vec<u64>> {
        Box::pin(async move {
            let calls: Vec<_> = charges
                .iter()
                .map(|charge| {
                    let cost = charge.cost_us.min(MOST_AHEAD_US);
                    let least = charge.least_us.min(MOST_AHEAD_US);
                    let most = charge.most_us.min(MOST_AHEAD_US);
                    let call = Call::new(self.keys.rate(charge.rule, charge.key));
                    call.with(cost).with(MOST_AHEAD_US).with(least).with(most)
                })
                .collect();
            self.run(&scripts::CHARGE, &calls).await?.iter().map(reply::number).collect()
        })
    }

    fn suspect<'a>(&'a self, suspicions: &'a [Suspicion], keep_s: u32) -> Answer<'a, Vec<u32>> {
        Box::pin(async move {
            let calls: Vec<_> = suspicions
                .iter()
                .map(|suspicion| {
                    let key = self.keys.suspicious(suspicion.session);
                    Call::new(key).with(suspicion.by).with(keep_s.max(1))
                })
                .collect();
            self.run(&scripts::SUSPECT, &calls).await?.iter().map(reply::count).collect()
        })
    }

    fn suspicion(&self, session: u64) -> Answer<'_, u32> {
        Box::pin(async move {
            let mut get = redis::cmd("GET");
            get.arg(self.keys.suspicious(session));
            reply::count(&self.ask(get).await?)
        })
    }

    fn clear_suspicion(&self, session: u64) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut delete = redis::cmd("DEL");
            delete.arg(self.keys.suspicious(session));
            Ok(reply::number(&self.ask(delete).await?)? > 0)
        })
    }

    fn fade<'a>(&'a self, events: &'a [Fading]) -> Answer<'a, Vec<f32>> {
        Box::pin(async move {
            let calls: Vec<_> = events
                .iter()
                .map(|event| {
                    let (by, tau_s) = sensible(event);
                    let call = Call::new(self.keys.fading(event.kind, event.key));
                    call.with(by).with(tau_s).with(fading_keep_s(event))
                })
                .collect();
            self.run(&scripts::FADE, &calls).await?.iter().map(reply::fraction).collect()
        })
    }

    fn cached<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            check_name(name)?;
            let mut get = redis::cmd("GETRANGE");
            // One byte more than there may be, however much there is.
            get.arg(self.keys.kept(name)).arg(0).arg(KEPT_BYTES + 1);
            let value = self.ask(get).await?;
            match reply::bytes(&value)?.split_first() {
                None => Ok(None),
                Some((&PRESENT, kept)) if kept.len() <= KEPT_BYTES => Ok(Some(kept.to_vec())),
                Some(_) => Err(SharedError("Redis keeps something else under this name".to_owned())),
            }
        })
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Vec<u8>, keep_s: u32) -> Answer<'a, ()> {
        Box::pin(async move {
            check_name(name)?;
            check_kept(&bytes)?;
            let value = [&[PRESENT], bytes.as_slice()].concat();
            let mut set = redis::cmd("SET");
            set.arg(self.keys.kept(name)).arg(value).arg("EX").arg(keep_s.max(1));
            self.ask(set).await?;
            Ok(())
        })
    }

    fn claim<'a>(&'a self, name: &'a str, keep_s: u32) -> Answer<'a, bool> {
        Box::pin(async move {
            check_name(name)?;
            let mut set = redis::cmd("SET");
            set.arg(self.keys.claim(name)).arg(1).arg("NX").arg("EX").arg(keep_s.max(1));
            match self.ask(set).await? {
                Value::Okay => Ok(true),
                Value::Nil => Ok(false),
                _ => Err(SharedError("Redis answered something else than OK".to_owned())),
            }
        })
    }

    fn draw<'a>(&'a self, quota: &'a str, limit: u32, now_ms: u64) -> Answer<'a, bool> {
        Box::pin(async move {
            check_name(quota)?;
            let call = Call::new(self.keys.quota(quota, now_ms / super::DAY_MS));
            let drawn = self.run_one(&scripts::DRAW, call.with(limit).with(super::QUOTA_KEEP_S)).await?;
            Ok(reply::number(&drawn)? == 1)
        })
    }

    fn agree<'a>(&'a self, name: &'a str, value: Vec<u8>) -> Answer<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            check_name(name)?;
            let replies = self.link.send(&mut self.keys.agree(name, &value)).await?;
            let agreed = replies.into_iter().next_back().unwrap_or(Ok(Value::Nil));
            reply::bytes(&agreed.map_err(|error| self.odd(&error))?).map(|agreed| Some(agreed.to_vec()))
        })
    }

    fn number_snapshot(&self, digest: [u8; 32], above: u64) -> Answer<'_, Option<Numbered>> {
        Box::pin(async move {
            let mut call = Call::new(self.keys.snapshot());
            call.arguments.push(digest.to_vec());
            let latest = self.run_one(&scripts::NUMBER, call.with(above)).await?;
            numbered(&latest)
        })
    }

    fn latest_snapshot(&self) -> Answer<'_, Option<Numbered>> {
        Box::pin(async move {
            let mut get = redis::cmd("HMGET");
            get.arg(self.keys.snapshot()).arg(&["number", "created", "digest"]);
            numbered(&self.ask(get).await?)
        })
    }

    fn put_records<'a>(&'a self, set: &'a str, records: &'a [SetRecord]) -> Answer<'a, u64> {
        Box::pin(self.put_into_set(set, records))
    }

    fn records_since<'a>(&'a self, set: &'a str, revision: u64) -> Answer<'a, (u64, Vec<SetRecord>)> {
        Box::pin(self.read_set(set, revision))
    }

    fn tell(&self, notice: Notice) {
        self.notices.tell(notice);
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn health(&self) -> SharedHealth {
        let trouble = self.link.trouble();
        let is_shared = trouble.is_none();
        let unheard =
            || self.notices.trouble().map(|reason| format!("Redis: notices of other replicas: {reason}"));
        SharedHealth {
            is_shared,
            degraded: trouble.or_else(unheard),
            operations: self.link.answered.load(Ordering::Relaxed),
            failures: self.link.failed.load(Ordering::Relaxed),
            notices: self.notices.received.load(Ordering::Relaxed),
        }
    }
}

/// A numbered snapshot: number, time, digest; `None` where there is none.
fn numbered(latest: &Value) -> Result<Option<Numbered>, SharedError> {
    match reply::list(latest)? {
        [Value::Nil, ..] => Ok(None),
        [number, created, digest] => Ok(Some(Numbered {
            number: reply::number(number)?,
            created_ms: reply::number(created)?,
            digest: reply::bytes(digest)?
                .try_into()
                .map_err(|_| SharedError("the digest in Redis has not 32 bytes".to_owned()))?,
        })),
        _ => Err(SharedError("Redis answered no snapshot".to_owned())),
    }
}
