//! Not asking a control plane that does not answer: each consult would cost its request the whole deadline.

use std::cell::Cell;

use crate::clock::is_over;
use crate::host::{Host, Level};

/// After so many consults in a row that came to nothing no more are started.
pub const FAILURES: u32 = 5;
/// For so long, in milliseconds; then one is tried.
pub const PAUSE_MS: u64 = 5_000;

/// One machine's view of the control plane's answers to consults.
#[derive(Debug, Default)]
pub struct Breaker {
    /// Consults in a row that came to nothing.
    failures: Cell<u32>,
    /// Where that is too many: when the next one is tried, Unix milliseconds.
    until_ms: Cell<u64>,
}

impl Breaker {
    /// Whether to start a consult. After a pause one caller is told so; its consult decides about the others.
    pub fn lets(&self, now_ms: u64) -> bool {
        if self.failures.get() < FAILURES {
            return true;
        }
        let tries = is_over(self.until_ms.get(), PAUSE_MS, now_ms);
        if tries {
            self.until_ms.set(now_ms + PAUSE_MS);
        }
        tries
    }

    /// A consult was answered.
    pub fn answered(&self, host: &impl Host) {
        if self.failures.replace(0) >= FAILURES {
            host.log(Level::Info, "sallyport: the control plane answers consults again");
        }
    }

    /// A consult was late, failed or refused.
    pub fn failed(&self, host: &impl Host, now_ms: u64) {
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        if failures == FAILURES {
            self.until_ms.set(now_ms + PAUSE_MS);
            let message = format!(
                "sallyport: {FAILURES} consults in a row came to nothing: for {} s the routes' fail modes count instead",
                PAUSE_MS / 1000
            );
            host.log(Level::Warn, &message);
        }
    }
}
