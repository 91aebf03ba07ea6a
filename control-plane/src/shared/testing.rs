//! Shared state that misbehaves, for the tests of those who use it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast;

use super::{
    Answer, Charge, Fading, Memory, Notice, Numbered, SetRecord, SharedError, SharedHealth, SharedState,
    Suspicion,
};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every operation says so.
    Fails,
    /// Never answers.
    Hangs,
    /// Answers one too few.
    TooFew,
    /// Answers one too many.
    TooMany,
    /// Answers with the largest numbers.
    Absurd,
}

/// Memory with a fault in what is asked for many at once; it hears its own notices, as other replicas would.
pub(crate) struct Faulty {
    memory: Memory,
    fault: Option<Fault>,
    notices: broadcast::Sender<Notice>,
    /// Charges and suspicions it was asked to add.
    pub(crate) asked: AtomicU64,
}

impl Faulty {
    pub(crate) fn new(fault: impl Into<Option<Fault>>) -> Self {
        let notices = broadcast::channel(100).0;
        Self { memory: Memory::default(), fault: fault.into(), notices, asked: AtomicU64::new(0) }
    }

    fn spoil<'a, T: Clone + Send + 'a>(
        &'a self,
        most: T,
        len: usize,
        answer: Answer<'a, Vec<T>>,
    ) -> Answer<'a, Vec<T>> {
        self.asked.fetch_add(len as u64, Ordering::Relaxed);
        Box::pin(async move {
            let mut answers = answer.await?;
            match self.fault {
                None => {}
                Some(Fault::Fails) => return Err(broken()),
                Some(Fault::Hangs) => std::future::pending().await,
                Some(Fault::TooFew) => drop(answers.pop()),
                Some(Fault::TooMany) => answers.push(most),
                Some(Fault::Absurd) => answers.fill(most),
            }
            Ok(answers)
        })
    }

    fn alone<'a, T: Send + 'a>(&self, answer: Answer<'a, T>) -> Answer<'a, T> {
        match self.fault {
            Some(Fault::Fails) => Box::pin(std::future::ready(Err(broken()))),
            _ => answer,
        }
    }
}

fn broken() -> SharedError {
    SharedError("broken".to_owned())
}

impl SharedState for Faulty {
    fn charge<'a>(&'a self, charges: &'a [Charge]) -> Answer<'a, Vec<u64>> {
        self.spoil(u64::MAX, charges.len(), self.memory.charge(charges))
    }

    fn suspect<'a>(&'a self, suspicions: &'a [Suspicion], keep_s: u32) -> Answer<'a, Vec<u32>> {
        self.spoil(u32::MAX, suspicions.len(), self.memory.suspect(suspicions, keep_s))
    }

    fn suspicion(&self, session: u64) -> Answer<'_, u32> {
        self.alone(self.memory.suspicion(session))
    }

    fn clear_suspicion(&self, session: u64) -> Answer<'_, bool> {
        self.alone(self.memory.clear_suspicion(session))
    }

    fn fade<'a>(&'a self, events: &'a [Fading]) -> Answer<'a, Vec<f32>> {
        self.memory.fade(events)
    }

    fn cached<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Vec<u8>>> {
        self.memory.cached(name)
    }

    fn keep<'a>(&'a self, name: &'a str, bytes: Vec<u8>, keep_s: u32) -> Answer<'a, ()> {
        self.memory.keep(name, bytes, keep_s)
    }

    fn claim<'a>(&'a self, name: &'a str, keep_s: u32) -> Answer<'a, bool> {
        self.memory.claim(name, keep_s)
    }

    fn draw<'a>(&'a self, quota: &'a str, limit: u32, now_ms: u64) -> Answer<'a, bool> {
        self.memory.draw(quota, limit, now_ms)
    }

    fn agree<'a>(&'a self, name: &'a str, value: Vec<u8>) -> Answer<'a, Option<Vec<u8>>> {
        self.memory.agree(name, value)
    }

    fn number_snapshot(&self, digest: [u8; 32], above: u64) -> Answer<'_, Option<Numbered>> {
        self.memory.number_snapshot(digest, above)
    }

    fn latest_snapshot(&self) -> Answer<'_, Option<Numbered>> {
        self.memory.latest_snapshot()
    }

    fn put_records<'a>(&'a self, set: &'a str, records: &'a [SetRecord]) -> Answer<'a, u64> {
        self.memory.put_records(set, records)
    }

    fn records_since<'a>(&'a self, set: &'a str, revision: u64) -> Answer<'a, (u64, Vec<SetRecord>)> {
        self.memory.records_since(set, revision)
    }

    fn tell(&self, notice: Notice) {
        // Nobody may be listening.
        drop(self.notices.send(notice));
    }

    fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    fn health(&self) -> SharedHealth {
        self.memory.health()
    }
}
