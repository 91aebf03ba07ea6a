//! Keyed hashes: who a client is, without keeping its address.
//!
//! An unkeyed hash of an IPv4 address can be reversed by trying all of them, and a table keyed by what
//! clients send needs a seed they cannot guess: both get the deployment's secret key.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip::SipHasher24;

use crate::facts::RequestFacts;
use crate::plain::decode;

/// The deployment's secret 128-bit key for SipHash-2-4.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey([u8; 16]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

impl HashKey {
    /// The key from its 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, to store or send; never to log.
    pub fn to_bytes(&self) -> [u8; 16] {
        self.0
    }

    /// The key of the address record: the IPv4 address, or the IPv6 /64. `None` is a client of its own.
    pub fn address(&self, address: Option<IpAddr>) -> u64 {
        let mut hasher = self.domain(b'a');
        write_address(&mut hasher, address);
        hasher.finish()
    }

    /// The key of the network: the IPv4 /24 or the IPv6 /48.
    pub fn network(&self, address: Option<IpAddr>) -> u64 {
        let mut hasher = self.domain(b'n');
        match address.map(|a| a.to_canonical()) {
            None => hasher.write_u8(0),
            Some(IpAddr::V4(v4)) => hasher.write_u32(v4.to_bits() >> 8),
            Some(IpAddr::V6(v6)) => hasher.write_u64((v6.to_bits() >> 80) as u64),
        }
        hasher.finish()
    }

    /// The key of a session, by its cookie or id; 0 where there is none. Quotes around it are no part of it, and what is
    /// percent-encoded is decoded once: as frameworks read cookies.
    pub fn session(&self, session: &[u8]) -> u64 {
        let session = session.trim_ascii();
        let session =
            session.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(session);
        match session {
            b"" => 0,
            _ if session.contains(&b'%') => self.text(b's', &decode(session)).max(1),
            _ => self.text(b's', session).max(1),
        }
    }

    /// The key of a device fingerprint.
    pub fn fingerprint(&self, fingerprint: &[u8]) -> u64 {
        self.text(b'f', fingerprint)
    }

    /// The key of a plain path, never 0.
    pub fn path(&self, path: &[u8]) -> u64 {
        self.text(b'p', path).max(1)
    }

    /// The key of an account, by the name somebody signs in with, whatever its case and the spaces around it; 0 where
    /// there is none.
    pub fn account(&self, name: &[u8]) -> u64 {
        let name = name.trim_ascii().to_ascii_lowercase();
        if name.is_empty() { 0 } else { self.text(b'u', &name).max(1) }
    }

    /// The key of the client record: address (IPv4 or IPv6 /64), user agent and JA4.
    pub fn client(&self, facts: &RequestFacts<'_>) -> u64 {
        let mut hasher = self.domain(b'c');
        write_address(&mut hasher, facts.address);
        hasher.write_u64(facts.user_agent.len() as u64);
        hasher.write(facts.user_agent);
        hasher.write(facts.ja4);
        hasher.finish()
    }

    /// The key of the client record of a session's holder (see [`crate::SessionState::holder_at`]) among those with the key
    /// `alike`.
    pub fn holder(&self, alike: u64, holder: u64) -> u64 {
        let mut hasher = self.domain(b'h');
        hasher.write_u64(alike);
        hasher.write_u64(holder);
        hasher.finish()
    }

    /// A keyed hash of any text; `domain` keeps the same text in different roles apart.
    pub fn text(&self, domain: u8, text: &[u8]) -> u64 {
        let mut hasher = self.domain(domain);
        hasher.write(text);
        hasher.finish()
    }

    fn domain(&self, domain: u8) -> SipHasher24 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write_u8(domain);
        hasher
    }
}

fn write_address(hasher: &mut SipHasher24, address: Option<IpAddr>) {
    match address.map(|a| a.to_canonical()) {
        None => hasher.write_u8(0),
        Some(IpAddr::V4(v4)) => hasher.write(&v4.octets()),
        Some(IpAddr::V6(v6)) => hasher.write_u64((v6.to_bits() >> 64) as u64),
    }
}

/// A fixed hash of a path, the same in every process: it only spreads one client's own pages over buckets.
pub(crate) fn path_hash(path: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(path);
    hasher.finish()
}
