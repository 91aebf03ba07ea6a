//! Notices to and from other replicas, by pub/sub on a connection of its own.
//!
//! A notice is a line of text: version, number of the sending process, what it is about. Lost ones cost nothing but
//! time, since everybody looks by itself too; after a gap, receivers are told to look at everything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use redis::Client;
use redis::aio::PubSub;
use tokio::sync::{broadcast, mpsc, watch};

use super::fault::describe;
use super::keys::Keys;
use super::link::Link;
use crate::shared::Notice;

/// Notices that wait to be sent, and that receivers may be behind.
const QUEUE: usize = 1024;

/// Notices sent in one go.
const BATCH: usize = 64;

/// Pause before the connection is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest notice, bytes.
const LONGEST: usize = 128;

const VERSION: &str = "1";

/// What goes out and comes in.
pub(super) struct Notices {
    outgoing: mpsc::Sender<Notice>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Notice>>,
    incoming: broadcast::Sender<Notice>,
    trouble: Mutex<Option<String>>,
    pub(super) received: AtomicU64,
}

impl Default for Notices {
    fn default() -> Self {
        let (outgoing, waiting) = mpsc::channel(QUEUE);
        Self {
            outgoing,
            waiting: tokio::sync::Mutex::new(waiting),
            incoming: broadcast::channel(QUEUE).0,
            trouble: Mutex::new(Some("not subscribed yet".to_owned())),
            received: AtomicU64::new(0),
        }
    }
}

impl Notices {
    /// Queues a notice; where the queue is full it is dropped.
    pub(super) fn tell(&self, notice: Notice) {
        let _ = self.outgoing.try_send(notice);
    }

    /// Sends what is told, for ever.
    pub(super) async fn send(&self, link: &Link, keys: &Keys) {
        let mut waiting = self.waiting.lock().await;
        let mut batch = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut batch, BATCH).await > 0 {
            let mut commands = redis::pipe();
            for notice in batch.drain(..) {
                commands.cmd("PUBLISH").arg(keys.notices()).arg(write(notice, keys.instance()));
            }
            // Others look by themselves too; that Redis is lost is told by the link.
            drop(link.send(&mut commands).await);
        }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.incoming.subscribe()
    }

    /// Why notices do not come in, while they do not.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Hands on what came in, if it is a notice of somebody else.
    fn receive(&self, keys: &Keys, message: &[u8]) {
        if let Some(notice) = read(message, keys.instance()) {
            self.received.fetch_add(1, Ordering::Relaxed);
            // Nobody may be listening.
            drop(self.incoming.send(notice));
        }
    }
}

/// How to listen.
pub(super) struct Listening {
    pub(super) client: Client,
    pub(super) keys: Keys,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    /// Time between two looks whether the connection still lives.
    pub(super) interval: Duration,
}

impl Listening {
    /// Receives for ever, while there is a link at all. Starts with a subscription where there is one already.
    pub(super) async fn run(&self, notices: &Notices, link: &Link, first: Option<PubSub>) {
        let mut up = link.up();
        let mut ready = first;
        loop {
            let subscribed = match ready.take() {
                Some(subscribed) => Ok(subscribed),
                None => {
                    if up.wait_for(|up| *up).await.is_err() {
                        return;
                    }
                    self.subscribe(notices).await
                }
            };
            if let Ok(subscribed) = subscribed {
                self.listen(notices, subscribed, up.clone()).await;
                link.doubt();
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Subscribes.
    ///
    /// # Errors
    /// Within the timeouts; the reason is kept.
    pub(super) async fn subscribe(&self, notices: &Notices) -> Result<PubSub, ()> {
        let subscribed = tokio::time::timeout(self.connect_timeout + self.response_timeout, async {
            let mut pubsub = self.client.get_async_pubsub().await?;
            pubsub.subscribe(self.keys.notices()).await?;
            Ok(pubsub)
        });
        let trouble = match subscribed.await {
            Ok(Ok(pubsub)) => {
                notices.set_trouble(None);
                for notice in [Notice::Lists, Notice::Checkpoint] {
                    drop(notices.incoming.send(notice));
                }
                return Ok(pubsub);
            }
            Ok(Err(error)) => describe(&error, self.response_timeout),
            Err(_) => "no answer in time".to_owned(),
        };
        notices.set_trouble(Some(trouble));
        Err(())
    }

    /// Receives until the connection is lost.
    async fn listen(&self, notices: &Notices, subscribed: PubSub, up: watch::Receiver<bool>) {
        let (mut sink, mut messages) = subscribed.split();
        let mut looks = tokio::time::interval(self.interval);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    // Without a link, whoever is behind that Redis may be of other replicas.
                    Some(message) if *up.borrow() => notices.receive(&self.keys, message.get_payload_bytes()),
                    Some(_) => {}
                    None => break,
                },
                _ = looks.tick() => {
                    let ping = tokio::time::timeout(self.response_timeout, sink.ping::<redis::Value>());
                    if !matches!(ping.await, Ok(Ok(_))) {
                        break;
                    }
                }
            }
        }
        notices.set_trouble(Some("the connection is lost".to_owned()));
    }
}

fn write(notice: Notice, instance: u64) -> String {
    let about = match notice {
        Notice::Lists => "lists".to_owned(),
        Notice::Checkpoint => "checkpoint".to_owned(),
        Notice::Policy => "policy".to_owned(),
        Notice::Session { session, count, keep_s } => format!("session {session:016x} {count} {keep_s}"),
        Notice::Issued { session } => format!("issued {session:016x}"),
    };
    format!("{VERSION} {instance:016x} {about}")
}

/// What somebody else says. Total: anything else is nothing.
fn read(message: &[u8], own: u64) -> Option<Notice> {
    let text = std::str::from_utf8(message.get(..message.len().min(LONGEST))?).ok()?;
    let mut words = text.split(' ');
    if words.next() != Some(VERSION) || u64::from_str_radix(words.next()?, 16).ok()? == own {
        return None;
    }
    let notice = match words.next()? {
        "lists" => Notice::Lists,
        "checkpoint" => Notice::Checkpoint,
        "policy" => Notice::Policy,
        "session" => Notice::Session {
            session: u64::from_str_radix(words.next()?, 16).ok()?,
            count: words.next()?.parse().ok()?,
            keep_s: words.next()?.parse().ok()?,
        },
        "issued" => Notice::Issued { session: u64::from_str_radix(words.next()?, 16).ok()? },
        _ => return None,
    };
    words.next().is_none().then_some(notice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn notices_come_back_to_others_only() {
        let session = Notice::Session { session: u64::MAX, count: 3, keep_s: 3600 };
        let issued = Notice::Issued { session: 7 };
        for notice in [Notice::Lists, Notice::Checkpoint, Notice::Policy, session, issued] {
            let line = write(notice, 5);
            assert!(line.len() <= LONGEST);
            assert_eq!(read(line.as_bytes(), 6), Some(notice));
            assert_eq!(read(line.as_bytes(), 5), None, "its own");
            assert_eq!(read(format!("{line} x").as_bytes(), 6), None);
        }
        assert_eq!(read(b"2 0 lists", 6), None, "of a later version");
        assert_eq!(read(b"1 0 session 1 99999999999 1", 6), None);
        assert_eq!(read(b"1 0 issued 11111111111111111", 6), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_passed_over(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, 1);
        }
    }
}
