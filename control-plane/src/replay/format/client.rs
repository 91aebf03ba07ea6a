//! Who sent a request: the address that a log names, one of a list that it was forwarded with, or a host name.

use std::net::{IpAddr, Ipv6Addr};

use sallyport_core::canonical;
use sha2::{Digest as _, Sha256};

use super::dash;
use crate::replay::line::LineError;

/// The client of a line.
#[derive(Default)]
pub(super) struct Client {
    /// `None` where the log names none.
    pub(super) address: Option<IpAddr>,
    /// Whether the address is made of a host name.
    pub(super) by_name: bool,
}

/// The way a request came: the addresses that it was forwarded with, parted by commas, the client's own word first, and after
/// them the peer of who wrote the log. Either may be empty.
pub(super) struct Way<'a> {
    pub(super) forwarded: &'a [u8],
    pub(super) peer: &'a [u8],
}

impl Way<'_> {
    /// The client behind this many trusted proxies at the end of the way; the first on a way that is shorter.
    ///
    /// # Errors
    /// If that is not an address, nor the peer by its host name.
    pub(super) fn client(&self, trusted_hops: usize) -> Result<Client, LineError> {
        let peer = dash(self.peer.trim_ascii());
        let entries = self.forwarded.rsplit(|&byte| byte == b',').map(|entry| dash(entry.trim_ascii()));
        let mut entries = entries.filter(|entry| !entry.is_empty()).peekable();
        let own = (!peer.is_empty()).then_some(peer);
        if let Some(known) = own.and_then(address) {
            // Envoy adds the peer to the list by itself.
            entries.next_if(|entry| address(entry) == Some(known));
        }
        let Some(entry) = own.into_iter().chain(entries).take(trusted_hops.saturating_add(1)).last() else {
            return Ok(Client::default());
        };
        match (address(entry), entry == peer) {
            (Some(address), _) => Ok(Client { address: Some(address), by_name: false }),
            (None, true) if is_host(entry) => Ok(Client { address: Some(of_host(entry)), by_name: true }),
            _ => Err(LineError::Address),
        }
    }
}

/// An address, with or without port, brackets or an IPv4 mapping.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare =
        text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inside, _)| inside);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| {
        bare.rsplit_once(':').and_then(|(host, _)| host.parse::<std::net::Ipv4Addr>().ok()).map(IpAddr::V4)
    });
    parsed.map(canonical)
}

/// What stands before the port of a writer that always adds one, to IPv6 addresses without brackets too.
pub(super) fn without_port(text: &[u8]) -> &[u8] {
    match text.iter().rposition(|&byte| byte == b':') {
        Some(at) => text.get(..at).unwrap_or_default(),
        None => text,
    }
}

fn is_host(text: &[u8]) -> bool {
    let of_a_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._".contains(byte);
    text.len() <= 253 && text.iter().all(of_a_name) && text.iter().any(u8::is_ascii_alphabetic)
}

/// A private address (RFC 4193) made of a host name: the same for the same name, and each in a network of its own.
fn of_host(name: &[u8]) -> IpAddr {
    let hash: [u8; 32] = Sha256::digest(name.to_ascii_lowercase()).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[0] = 0xfd;
    IpAddr::V6(Ipv6Addr::from(bytes))
}
