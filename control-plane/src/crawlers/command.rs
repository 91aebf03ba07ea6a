//! `sallyport crawlers check`: is this address the crawler that this user agent claims?

use std::net::IpAddr;
use std::sync::Arc;

use super::{CrawlerRanges, Verifier, verdict_name};
use crate::clock::unix_ms;
use crate::config::Loaded;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Tell whether a crawler is who it claims to be, and how that was found out.
    Check {
        /// Its address, as logs show it.
        ip: IpAddr,
        /// Its user agent, or a part of it with the crawler's name.
        #[arg(long, value_name = "TEXT")]
        user_agent: String,
    },
}

/// Runs the command; DNS is asked from this machine.
///
/// # Errors
/// When the user agent names no crawler that can be verified.
pub async fn run(command: Command, loaded: &Loaded) -> anyhow::Result<()> {
    let Command::Check { ip, user_agent } = command;
    let verifier = Arc::new(Verifier::new(&loaded.config.crawlers));
    verifier.set_ranges(CrawlerRanges::new(loaded.ranges.crawlers()));
    let Some(finding) = verifier.find_out(user_agent.as_bytes(), ip, unix_ms()).await else {
        anyhow::bail!("the user agent claims no crawler that can be verified; it is judged like any client");
    };
    println!("claims   {} ({})", finding.crawler.name, finding.crawler.category.name());
    println!("verdict  {}", verdict_name(finding.verdict));
    println!("because  {}", finding.why);
    Ok(())
}
