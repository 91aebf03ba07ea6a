//! A token: 32 random bytes in hexadecimal behind a prefix that secret scanners can find.

use std::fmt;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::Role;

/// A new token, shown once.
pub struct Token(String);

impl Token {
    /// Makes one.
    ///
    /// # Errors
    /// When the operating system has no random bytes to give.
    pub fn generate(role: Role) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let mut text = format!("sp_{role}_");
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The text to hand to its owner; nowhere else.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> [u8; 32] {
        hash(self.0.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(secret)")
    }
}

/// SHA-256: a token is random enough that nothing slower is needed.
pub(super) fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_name_their_role_and_hide_in_debug() {
        let (one, two) = (Token::generate(Role::Filter).unwrap(), Token::generate(Role::Filter).unwrap());
        assert_ne!(one.reveal(), two.reveal());
        assert!(one.reveal().starts_with("sp_filter_"));
        assert_eq!(one.reveal().len(), "sp_filter_".len() + 64);
        assert!(!format!("{one:?}").contains(&one.reveal()[10..20]));
    }
}
