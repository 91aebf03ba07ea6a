//! `sallyport replay`: what the gates would have done with the traffic of an access log.
//!
//! Lines come in by [`input`], become requests by [`format`], are judged by the same core that judges in Envoy
//! ([`judge`]), are counted ([`tally`], [`accuracy`]) and go out as a summary, JSON lines or a page.

mod accuracy;
pub(crate) mod decisions;
pub(crate) mod format;
mod html;
mod input;
pub(crate) mod judge;
pub(crate) mod labels;
pub(crate) mod line;
pub(crate) mod progress;
pub(crate) mod reader;
mod recent;
mod run;
mod summary;
mod tally;
mod unpack;
mod verify;

use std::path::PathBuf;

pub use format::{Format, Mapping};
pub use run::run;

/// What to replay, and what to write.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Access logs, oldest first; `-` is standard input. Gzip and zstd are unpacked.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// The logs' format; found from the first lines if not given.
    #[arg(long, value_enum)]
    pub format: Option<Format>,

    /// Where a JSON log keeps a field: `ip=remote_addr,ts=time,user_agent=request.headers.ua`; and which of the headers that
    /// HAProxy captures it is: `user_agent=capture.2`.
    #[arg(long, value_name = "FIELD=KEY", value_delimiter = ',')]
    pub map: Vec<Mapping>,

    /// How many addresses at the end of a request's way are your own proxies: the way is X-Forwarded-For, then the address that
    /// the log's server saw. 1 behind one balancer whose address the log shows.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub trusted_hops: usize,

    /// Judge by these weights instead of the built-in ones.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,

    /// Ask name servers and published ranges whether crawlers are who they claim to be: each address once, and for at most so
    /// many seconds in all.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "60")]
    pub verify: Option<u32>,

    /// Labels of the lines, one file per log: tab-separated, a header `line label …`, then `bot`, `human` or
    /// anything else for unknown.
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<PathBuf>,

    /// Write one decision per line to standard output, as JSON.
    #[arg(long)]
    pub json: bool,

    /// Write a self-contained report page.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// How many clients are remembered at a time.
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..))]
    pub max_clients: usize,
}
