//! Who may ask: bearer tokens of two roles, stored as hashes, compared in constant time.

mod keyring;
mod token;

use std::fmt;
use std::sync::Arc;

pub use keyring::{Keyring, REFRESH_INTERVAL};
pub use token::Token;

/// Whose token a request came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's number.
    pub id: i64,
    /// What it may do.
    pub role: Role,
    /// Its name.
    pub name: Arc<str>,
}

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A filter or an application: asks for verdicts and snapshots, sends observations.
    Filter,
    /// An operator: everything.
    Admin,
}

impl Role {
    /// The name on the command line and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Admin => "admin",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Filter, Self::Admin].into_iter().find(|role| role.name() == name)
    }

    /// Whether this role may do what `needed` may.
    pub fn allows(self, needed: Role) -> bool {
        self == Role::Admin || self == needed
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
