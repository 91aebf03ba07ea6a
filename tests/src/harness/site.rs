//! The sample site inside the test's own process, or any other axum router in its place.

use std::net::Ipv4Addr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server that ends when dropped.
#[derive(Debug)]
pub struct Site {
    port: u16,
    task: JoinHandle<()>,
}

impl Site {
    /// The sample site on a port of the system's choice.
    pub async fn start() -> Self {
        Self::serve(crate::site::router(), 0).await
    }

    /// Any router on a loopback port (0: of the system's choice); stands in for a slow or odd control plane.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn serve(router: Router, port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a port to serve on");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("serving") });
        Self { port, task }
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}
