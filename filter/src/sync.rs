//! Snapshots: one machine of the process asks the control plane, the others take what it found.
//!
//! Every worker and the main thread run this filter, each in a machine of its own. A lease in shared data
//! elects the one that polls; when it disappears the lease runs out and another one takes over. A new snapshot
//! is checked, then laid into shared data with its version beside it, where each machine looks at every tick.

use sallyport_core::Engine;
use sallyport_core::snapshot::{self, SnapshotError};

use crate::clock::is_over;
use crate::config::ControlPlane;
use crate::host::{Call, Host, Level, answer_status};
use crate::metrics::{Counter, Gauge, Metrics};

/// A poll without an answer is given up after this many milliseconds.
const POLL_TIMEOUT_MS: u32 = 5_000;
/// Also where Envoy's timeout does not fire.
const LONGEST_POLL_MS: u64 = 2 * POLL_TIMEOUT_MS as u64;

const LEASE: &str = "sallyport/1/lease";
const BLOB: &str = "sallyport/1/snapshot";
const VERSION: &str = "sallyport/1/version";

/// One machine's part in keeping the snapshot current.
#[derive(Debug)]
pub struct Sync {
    /// This machine, among those of the process.
    me: u64,
    every_ms: u64,
    next_poll_ms: u64,
    asked: Option<Asked>,
    /// The `ETag` of the last snapshot that was refused, so as not to load it again.
    refused: Option<String>,
    /// Why, to say it once.
    refusing: Option<SnapshotError>,
    /// Whether this machine held the lease when it looked last.
    leads: bool,
    /// Whether the last poll was answered; `None` before the first.
    reachable: Option<bool>,
    confirmed_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    token: u32,
    until_ms: u64,
}

/// What every step works with.
#[derive(Debug)]
pub struct Bench<'a, H> {
    /// The proxy.
    pub host: &'a H,
    /// The metrics.
    pub metrics: &'a Metrics,
    /// Version of the snapshot in use; 0 for none.
    pub version: u64,
    /// Unix milliseconds.
    pub now_ms: u64,
}

impl Sync {
    /// `me` tells this machine from the others; `every_ms` is the time between two polls.
    pub fn new(me: u64, every_ms: u64) -> Self {
        Self {
            me,
            every_ms,
            next_poll_ms: 0,
            asked: None,
            refused: None,
            refusing: None,
            leads: false,
            reachable: None,
            confirmed_ms: 0,
        }
    }

    /// Takes a snapshot that another machine found, and polls when it is time and this machine's turn.
    pub fn step<H: Host>(&mut self, bench: &Bench<'_, H>, control: &ControlPlane) -> Option<Engine> {
        let adopted = adopt(bench);
        let version = adopted.as_ref().map_or(bench.version, Engine::version);
        if self.asked.is_some_and(|asked| is_over(asked.until_ms, LONGEST_POLL_MS, bench.now_ms)) {
            self.asked = None;
            self.failed(bench, "no answer in time");
        }
        if is_over(self.next_poll_ms, self.every_ms, bench.now_ms) && self.asked.is_none() {
            self.next_poll_ms = bench.now_ms + self.every_ms;
            self.leads = self.hold_lease(bench);
            if self.leads {
                let age_s = bench.now_ms.saturating_sub(self.confirmed_ms) / 1000;
                if self.confirmed_ms > 0 {
                    bench.metrics.set(bench.host, Gauge::SnapshotAge, age_s);
                }
                self.poll(&Bench { version, ..*bench }, control);
            }
        }
        adopted
    }

    /// Whether this machine asks for all of the process.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Whether an answer is this room's.
    pub fn awaits(&self, token: u32) -> bool {
        self.asked.is_some_and(|asked| asked.token == token)
    }

    /// Handles the answer to a poll.
    pub fn answered<H: Host>(
        &mut self,
        bench: &Bench<'_, H>,
        header_count: usize,
        body_bytes: usize,
    ) -> Option<Engine> {
        self.asked = None;
        match answer_status(bench.host, header_count) {
            Some(304) => {
                bench.metrics.count(Counter::PollUnchanged);
                if self.refused.is_none() || self.refused != answered_etag(bench.host) {
                    self.confirmed(bench);
                }
                self.reached(bench);
                None
            }
            Some(200) => self.receive(bench, body_bytes),
            Some(status) => {
                self.failed(bench, &format!("status {status}"));
                None
            }
            None => {
                self.failed(bench, "the connection failed");
                None
            }
        }
    }

    fn receive<H: Host>(&mut self, bench: &Bench<'_, H>, body_bytes: usize) -> Option<Engine> {
        let etag = answered_etag(bench.host);
        let decoded = if body_bytes > snapshot::MAX_BYTES {
            Err(SnapshotError::TooLarge(body_bytes))
        } else {
            let body = bench.host.answer_body(body_bytes);
            read(&body).map(|engine| (engine, body))
        };
        self.reached(bench);
        match decoded {
            Ok((engine, body)) => {
                self.confirmed(bench);
                bench.metrics.count(Counter::PollNew);
                self.refused = None;
                self.refusing = None;
                publish(bench.host, &body, engine.version(), etag.as_deref().unwrap_or_default());
                (engine.version() != bench.version).then_some(engine)
            }
            Err(error) => {
                bench.metrics.count(Counter::SnapshotRefused);
                if self.refusing.as_ref() != Some(&error) {
                    let message =
                        format!("sallyport: snapshot refused, version {:x} stays: {error}", bench.version);
                    bench.host.log(Level::Error, &message);
                }
                self.refusing = Some(error);
                self.refused = etag;
                None
            }
        }
    }

    fn poll<H: Host>(&mut self, bench: &Bench<'_, H>, control: &ControlPlane) {
        let in_use = announced(bench.host).filter(|(version, _)| *version == bench.version);
        let mut known = in_use.map(|(_, etag)| etag).unwrap_or_default();
        if let Some(refused) = &self.refused {
            known = if known.is_empty() { refused.clone() } else { format!("{known}, {refused}") };
        }
        let bearer = control.bearer();
        let mut headers = vec![
            (":method", "GET"),
            (":path", "/v1/snapshot"),
            (":authority", control.authority.as_str()),
            ("authorization", bearer.as_str()),
        ];
        if !known.is_empty() {
            headers.push(("if-none-match", known.as_str()));
        }
        let call = Call { cluster: &control.cluster, headers, body: b"", timeout_ms: POLL_TIMEOUT_MS };
        match bench.host.call(&call) {
            Some(token) => {
                let until_ms = bench.now_ms + LONGEST_POLL_MS;
                self.asked = Some(Asked { token, until_ms });
            }
            None => self.failed(bench, "Envoy refused the call: is the cluster defined, with an endpoint?"),
        }
    }

    /// Takes the lease where it is free, has run out or is this machine's already.
    fn hold_lease<H: Host>(&self, bench: &Bench<'_, H>) -> bool {
        let mut lease = bench.host.shared(LEASE);
        if lease.cas.is_none() {
            // Creating a key is no lock: lay it down empty, then compare and swap like everybody.
            let _ = bench.host.set_shared(LEASE, &pair(0, 0), None);
            lease = bench.host.shared(LEASE);
        }
        let (owner, until_ms) = read_pair(&lease.value).unwrap_or_default();
        let longest_ms = 2 * self.every_ms + LONGEST_POLL_MS;
        if owner != self.me && !is_over(until_ms, longest_ms, bench.now_ms) {
            return false;
        }
        let until_ms = bench.now_ms + longest_ms;
        bench.host.set_shared(LEASE, &pair(self.me, until_ms), lease.cas).is_ok()
    }

    fn confirmed<H: Host>(&mut self, bench: &Bench<'_, H>) {
        self.confirmed_ms = bench.now_ms;
        bench.metrics.set(bench.host, Gauge::SnapshotAge, 0);
    }

    fn reached<H: Host>(&mut self, bench: &Bench<'_, H>) {
        if self.reachable.replace(true) != Some(true) {
            bench.host.log(Level::Info, "sallyport: the control plane answers");
        }
    }

    fn failed<H: Host>(&mut self, bench: &Bench<'_, H>, why: &str) {
        bench.metrics.count(Counter::PollFailed);
        if self.reachable.replace(false) != Some(false) {
            let message = format!(
                "sallyport: no snapshot from the control plane ({why}); version {:x} stays in use",
                bench.version
            );
            bench.host.log(Level::Warn, &message);
        }
    }
}

fn answered_etag(host: &impl Host) -> Option<String> {
    host.answer_header("etag").and_then(|tag| String::from_utf8(tag).ok())
}

/// The snapshot another machine laid down, where it is not the one in use.
pub fn adopt<H: Host>(bench: &Bench<'_, H>) -> Option<Engine> {
    let (version, _) = announced(bench.host)?;
    if version == bench.version {
        return None;
    }
    read(&bench.host.shared(BLOB).value).ok().filter(|engine| engine.version() != bench.version)
}

fn read(blob: &[u8]) -> Result<Engine, SnapshotError> {
    snapshot::decode(blob)?.into_engine()
}

/// Lays a checked snapshot down for the other machines: first itself, then its version.
fn publish(host: &impl Host, blob: &[u8], version: u64, etag: &str) {
    // Without a cas the write cannot lose.
    let _ = host.set_shared(BLOB, blob, None);
    let mut announcement = version.to_le_bytes().to_vec();
    announcement.extend_from_slice(etag.as_bytes());
    let _ = host.set_shared(VERSION, &announcement, None);
}

fn announced(host: &impl Host) -> Option<(u64, String)> {
    let shared = host.shared(VERSION);
    let (version, etag) = shared.value.split_first_chunk()?;
    Some((u64::from_le_bytes(*version), String::from_utf8_lossy(etag).into_owned()))
}

/// Two numbers as shared data holds them.
pub(crate) fn pair(first: u64, second: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    let (left, right) = bytes.split_at_mut(8);
    left.copy_from_slice(&first.to_le_bytes());
    right.copy_from_slice(&second.to_le_bytes());
    bytes
}

/// The two numbers of [`pair`].
pub(crate) fn read_pair(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, rest) = bytes.split_first_chunk()?;
    let (second, _) = rest.split_first_chunk()?;
    Some((u64::from_le_bytes(*first), u64::from_le_bytes(*second)))
}
