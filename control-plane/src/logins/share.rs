//! Merging counts of logins with those of other replicas, in the background: nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Counts, Logins, Subject, TAU_S};
use crate::clock::unix_ms;
use crate::shared::{Fading, SharedError, SharedState};

/// Time between two rounds.
const ROUND: Duration = Duration::from_millis(200);

/// Networks and accounts of a round, at most; each has two counts.
const MOST: usize = 500;

/// Shares for ever.
pub async fn share(logins: Arc<Logins>, shared: Arc<dyn SharedState>) {
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Shared state tells of its outages itself; the counts wait meanwhile.
        logins.share_once(&*shared, unix_ms()).await;
    }
}

impl Subject {
    /// The kinds of failed and passed logins in shared state.
    fn kinds(self) -> [u8; 2] {
        match self {
            Self::Network => *b"nN",
            Self::Account => *b"uU",
        }
    }
}

/// What is told in one round: subjects, each with what was counted.
pub(super) struct Round(Vec<((Subject, u64), Counts)>);

impl Round {
    /// Two counts each.
    pub(super) fn events(&self) -> Vec<Fading> {
        let of = |((subject, key), by): &((Subject, u64), Counts)| {
            let count = |kind, by| Fading { kind, key: *key, by, tau_s: TAU_S };
            let [failed, passed] = subject.kinds();
            [count(failed, by.failed), count(passed, by.passed)]
        };
        self.0.iter().flat_map(of).collect()
    }
}

impl Logins {
    /// Tells what was counted since the last round, and takes over what all counted together.
    async fn share_once(&self, shared: &dyn SharedState, now_ms: u64) {
        self.is_shared.store(shared.health().is_shared, Ordering::Relaxed);
        let round = self.take();
        let events = round.events();
        if !events.is_empty() {
            let answer = shared.fade(&events).await;
            self.settle(round, answer, now_ms);
        }
    }

    /// What waits to be told, up to [`MOST`].
    pub(super) fn take(&self) -> Round {
        let mut pending = self.lock();
        let keys: Vec<_> = pending.keys().take(MOST).copied().collect();
        Round(keys.into_iter().filter_map(|key| pending.remove_entry(&key)).collect())
    }

    /// Takes over the counts of all replicas. Where there is no answer, what was to be told waits for the next round.
    pub(super) fn settle(&self, round: Round, answer: Result<Vec<f32>, SharedError>, now_ms: u64) {
        let Some(all) = answer.ok().filter(|all| all.len() == 2 * round.0.len()) else {
            let mut pending = self.lock();
            for ((subject, key), by) in round.0 {
                self.put_off(&mut pending, subject, key, by);
            }
            return;
        };
        for (((subject, key), _), all) in round.0.into_iter().zip(all.as_chunks().0) {
            let [failed, passed] = *all;
            let pending = self.lock();
            // Counted since the round began, so that nobody but this replica knows of it.
            let since = pending.get(&(subject, key)).copied().unwrap_or_default();
            let all = Counts { failed: failed + since.failed, passed: passed + since.passed };
            let told = self.table(subject).with(key, |tally| {
                tally.take_over(all, now_ms);
                subject.news(tally, now_ms)
            });
            drop(pending);
            self.tell(told);
        }
    }
}
