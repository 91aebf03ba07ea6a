//! Ctrl-C and SIGTERM as a flag that wakes whoever waits, so that children are ended in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Between two looks at the children.
const LOOK: Duration = Duration::from_millis(100);

/// Set once a signal to end has come.
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// From here on SIGINT, SIGTERM and SIGHUP no longer end this process but set the flag and wake the thread
    /// that called this. (Handlers, not a blocked mask: started programs would inherit the mask.)
    pub(crate) fn on_signals() -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let asked = Arc::new(AtomicBool::new(false));
        let (flag, waiting) = (Arc::clone(&asked), thread::current());
        thread::spawn(move || {
            for _ in signals.forever() {
                flag.store(true, Ordering::Release);
                waiting.unpark();
            }
        });
        Ok(Self { asked })
    }

    /// Whether a signal has come.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Waits until `look` finds something, or a signal comes: then `None`.
    pub(crate) fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        while !self.asked() {
            if let Some(found) = look() {
                return Some(found);
            }
            thread::park_timeout(LOOK);
        }
        None
    }
}
