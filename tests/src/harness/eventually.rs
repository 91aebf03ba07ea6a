//! Waiting for an effect that nothing announces.

use std::time::{Duration, Instant};

/// Longest wait for anything.
const SETTLE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// Looks until there is something to see, at most 20 s, and returns it; `Err` says what was seen instead.
///
/// # Panics
/// When it does not come, with what was seen last.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(seen) => return seen,
            Err(instead) => assert!(start.elapsed() < SETTLE, "{what} did not come: {instead}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
