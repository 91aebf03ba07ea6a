//! Ctrl-C and SIGTERM as a flag that wakes whoever waits, so that children are ended in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::{SigSet, Signal};

/// Between two looks at the children.
const LOOK: Duration = Duration::from_millis(100);

/// Set once a signal to end has come.
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// From here on SIGINT, SIGTERM and SIGHUP no longer end this process but set the flag. To be called
    /// before any thread is started, which would not inherit the mask; started programs do not inherit it.
    pub(crate) fn on_signals() -> Result<Self> {
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block()?;
        let asked = Arc::new(AtomicBool::new(false));
        let (flag, waiting) = (Arc::clone(&asked), thread::current());
        thread::spawn(move || {
            while signals.wait().is_ok() {
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
