//! `ranges.update_every_h`: the control plane fetches lists by itself, when the last attempt is that long ago.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::update::Wanted;
use super::{Assembly, UpdateError, update_and_publish};
use crate::app::App;
use crate::clock::unix_ms;

/// Time between two looks at whether it is time.
const LOOK: Duration = Duration::from_secs(60);

/// Least time between two updates, also where nothing of an attempt can be kept: a full disk must trouble no provider.
const LEAST: Duration = Duration::from_secs(30 * 60);

/// Updates for ever, where that is configured.
pub async fn run(app: Arc<App>) {
    let mut ticks = tokio::time::interval(LOOK);
    let mut tried: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let lately = tried.is_some_and(|tried| tried.elapsed() < LEAST);
        if lately || !is_due(&app.ranges.current(), unix_ms()) {
            continue;
        }
        tried = Some(Instant::now());
        match update_and_publish(&app, &Wanted::default()).await {
            Ok((_, version)) => tracing::info!(version, "ranges are up to date"),
            // Another process does what is to be done.
            Err(UpdateError::Busy) => {}
            Err(error) => tracing::error!(%error, "ranges were not updated"),
        }
    }
}

/// Whether any enabled source was asked too long ago. A clock that was set back counts as long ago.
fn is_due(assembly: &Assembly, now_ms: u64) -> bool {
    let every_ms = u64::from(assembly.inputs.update_every_h) * 3_600_000;
    let mut sources = assembly.inputs.sources.iter().zip(&assembly.states);
    every_ms > 0
        && sources.any(|(source, state)| {
            let since = state.asked_ms.and_then(|asked_ms| now_ms.checked_sub(asked_ms));
            source.enabled && since.is_none_or(|since| since >= every_ms)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranges::sources::sources;
    use crate::ranges::{Inputs, State};

    #[test]
    fn an_update_is_due_when_the_last_attempt_is_long_ago() {
        let mut all = sources(&[]).expect("sources");
        all.truncate(2);
        let asked = |times: [Option<u64>; 2], update_every_h| {
            let inputs = Inputs { sources: all.clone(), update_every_h, ..Inputs::default() };
            let states = times.map(|asked_ms| State { asked_ms, ..State::default() }).to_vec();
            is_due(&Assembly { inputs, states, ..Assembly::default() }, 10 * 3_600_000)
        };
        let hour = |hours: u64| Some(hours * 3_600_000);
        assert!(!asked([None, None], 0));
        assert!(asked([None, None], 24));
        assert!(asked([hour(9), None], 24));
        assert!(!asked([hour(9), hour(5)], 6));
        assert!(asked([hour(9), hour(4)], 6));
        assert!(asked([hour(11), hour(9)], 6), "from the future");
    }
}
