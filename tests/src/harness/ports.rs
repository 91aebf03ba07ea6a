//! Ports for programs that must keep theirs across a restart.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range the system gives to outgoing connections, so that none of those takes one in between.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A loopback port nobody listens on, never the same twice within one run of the tests.
///
/// # Panics
/// When all ports of the range are taken.
#[must_use]
pub fn unused_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Runs side by side start at different places.
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap_or(0);
    (0..COUNT)
        .map(|_| FIRST + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("a free port between 20000 and 30000")
}
