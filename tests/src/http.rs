//! HTTP clients for visitors and operators.

use std::sync::Once;

use reqwest::{Client, ClientBuilder};

/// A client with the usual settings.
///
/// # Panics
/// When there is no memory for one.
#[must_use]
pub fn client() -> Client {
    client_builder().build().expect("an HTTP client")
}

/// Settings of a client. Built together with the control plane, `reqwest` can speak TLS, and then wants to be told by
/// which library, also where nobody asks it to.
pub fn client_builder() -> ClientBuilder {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that another one was named before, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    Client::builder()
}
