//! Where a request was sent, and how the gate saw it: what figures are shown by.

use super::face::Transport;
use super::site::{Kind, Traits};

/// The kind of site, its traits, and what the gate saw.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(super) kind: Kind,
    pub(super) traits: &'static Traits,
    pub(super) seen: Transport,
}

impl Place {
    /// What the request counts for, each of another sort: the kind of site, its traits, how it was seen.
    pub fn names(&self) -> [(&'static str, &'static str); 3] {
        [("kind", self.kind.name()), ("traits", self.traits.name), ("seen", self.seen.name())]
    }
}
