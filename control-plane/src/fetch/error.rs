//! Why something could not be fetched. No text holds more of a URL than its host: path and query may hold a key.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why something could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The URL cannot be asked at all.
    #[error("the URL is {0}; write one such as https://example.com/list.json")]
    Url(&'static str),
    /// It would lead to this machine, its link or a private network.
    #[error(
        "{host} leads to an address of this machine or of a private network; `fetch.allow_private` allows it"
    )]
    Private {
        /// The host of the URL.
        host: String,
    },
    /// A redirect that is not followed.
    #[error("{host} redirects {why}")]
    Redirect {
        /// Who sent the redirect.
        host: String,
        /// Why it is not followed.
        why: &'static str,
    },
    /// The name is not known.
    #[error("{host}: the name has no address: {cause}")]
    Name {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        cause: String,
    },
    /// No connection, or it broke.
    #[error("{host}: {cause}")]
    Connection {
        /// The host of the URL.
        host: String,
        /// What the system, TLS or HTTP said.
        cause: String,
    },
    /// It took longer than it may.
    #[error("{host} did not send the whole answer within {} s", .limit.as_secs_f32())]
    Timeout {
        /// The host of the URL.
        host: String,
        /// How long it may take.
        limit: Duration,
    },
    /// The answer, unpacked, is larger than it may be.
    #[error("{host} sends more than {limit} bytes, the most that is read")]
    TooLarge {
        /// The host of the URL.
        host: String,
        /// The most bytes that are read.
        limit: usize,
    },
    /// Neither success nor 304.
    #[error("{host} answers {status}")]
    Status {
        /// The host of the URL.
        host: String,
        /// The status.
        status: u16,
        /// `Retry-After` in seconds, where it was sent as a number.
        retry_after_s: Option<u64>,
        /// The first 4 KiB of the answer. It may repeat what was asked, and stands in no text.
        body: Vec<u8>,
    },
}

/// What the resolver answers in place of addresses that may not be asked; found again in reqwest's chain of causes.
#[derive(Debug)]
pub(super) enum Unresolved {
    /// The name has only addresses that are not public.
    Private,
    /// The name has none; what the system said.
    Unknown(String),
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private => f.write_str("only private addresses"),
            Self::Unknown(cause) => f.write_str(cause),
        }
    }
}

impl Error for Unresolved {}

impl FetchError {
    /// What an error of the client is, without the URL.
    pub(super) fn of(error: reqwest::Error, host: &str, limit: Duration) -> Self {
        let host = host.to_owned();
        if error.is_timeout() {
            return Self::Timeout { host, limit };
        }
        let error = error.without_url();
        let mut innermost: &(dyn Error + 'static) = &error;
        loop {
            match innermost.downcast_ref::<Unresolved>() {
                Some(Unresolved::Private) => return Self::Private { host },
                Some(Unresolved::Unknown(cause)) => return Self::Name { host, cause: cause.clone() },
                None => {}
            }
            match innermost.source() {
                Some(source) => innermost = source,
                None => return Self::Connection { host, cause: innermost.to_string() },
            }
        }
    }
}
