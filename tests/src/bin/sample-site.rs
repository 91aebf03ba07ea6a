//! The sample site as a program: `sample-site --port 9000`.

use std::net::Ipv4Addr;

use clap::Parser;
use sallyport_e2e::site;
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(about = "A small site to stand behind Envoy")]
struct Args {
    /// Loopback port to listen on
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Do not repeat the verdict that came with a request
    #[arg(long)]
    quiet: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    println!("sample site: http://{}", listener.local_addr()?);
    let site = if args.quiet { site::quiet_router() } else { site::router() };
    axum::serve(listener, site).await?;
    Ok(())
}
