//! Visitors that come while something happens, to show that it costs nobody an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sallyport_e2e::harness::Gate;
use sallyport_e2e::visitor::Visitor;
use tokio::task::JoinHandle;

/// Visitors that come one after the other, each from an address of its own, until asked to stop.
pub(crate) struct Visits {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
    task: JoinHandle<u32>,
}

impl Visits {
    /// Starts them; any other answer than these is a failure.
    pub(crate) fn start(gate: &Gate, statuses: &'static [u16]) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (client, url) = (gate.client.clone(), gate.url("/about"));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&answered));
        let task = tokio::spawn(async move {
            let mut sent = 0_u32;
            while !stopped.load(Ordering::Relaxed) {
                let [_, _, third, fourth] = sent.to_be_bytes();
                sent += 1;
                let visitor = Visitor::firefox(&format!("198.19.{third}.{fourth}"));
                let status = visitor.get(&client, &url).send().await.expect("an answer").status().as_u16();
                assert!(statuses.contains(&status), "status {status}");
                counter.fetch_add(1, Ordering::Relaxed);
            }
            sent
        });
        Self { stop, answered, task }
    }

    /// How many were answered up to now.
    pub(crate) fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Stops them; there were some, and all were answered.
    pub(crate) async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.task.await.expect("every request is answered");
        let answered = self.answered.load(Ordering::Relaxed);
        assert!(answered == sent && sent > 0, "{answered} of {sent} were answered");
    }
}
