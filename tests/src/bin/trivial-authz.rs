//! The least an `ext_authz` service can do: 200 to everything. What the benchmark compares the filter with.

use std::net::Ipv4Addr;

use axum::Router;
use clap::Parser;
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(about = "Allows every request")]
struct Args {
    /// Loopback port to listen on
    #[arg(long, default_value_t = 9100)]
    port: u16,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    axum::serve(listener, Router::new().fallback(|| async {})).await?;
    Ok(())
}
