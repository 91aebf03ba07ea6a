//! Visitors: people with browsers and tools of several kinds, each with an address of its own.
//!
//! The address is sent as X-Forwarded-For, so Envoy has to trust one hop.

use reqwest::{Client, Method, RequestBuilder};

/// User agent of a Chrome on Linux.
pub const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// User agent of a Firefox on Linux.
pub const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// What a browser sends with a page it navigates to.
const CHROME_HEADERS: &[(&str, &str)] = &[
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    ),
    ("accept-language", "en-GB,en;q=0.9"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("sec-ch-ua", "\"Chromium\";v=\"142\", \"Google Chrome\";v=\"142\", \"Not_A Brand\";v=\"99\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("upgrade-insecure-requests", "1"),
];
const FIREFOX_HEADERS: &[(&str, &str)] = &[
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "de,en-US;q=0.7,en;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("upgrade-insecure-requests", "1"),
];
const NAVIGATION: &[(&str, &str)] =
    &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];

/// One visitor.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// What X-Forwarded-For says.
    pub address: String,
    /// User-Agent; empty sends none.
    pub user_agent: String,
    headers: &'static [(&'static str, &'static str)],
    navigates: bool,
}

impl Visitor {
    /// A person with Chrome.
    #[must_use]
    pub fn chrome(address: &str) -> Self {
        Self { address: address.into(), user_agent: CHROME.into(), headers: CHROME_HEADERS, navigates: true }
    }

    /// A person with Firefox.
    #[must_use]
    pub fn firefox(address: &str) -> Self {
        Self {
            address: address.into(),
            user_agent: FIREFOX.into(),
            headers: FIREFOX_HEADERS,
            navigates: true,
        }
    }

    /// A tool that says who it is, or claims to be something else, and sends nothing but that.
    #[must_use]
    pub fn tool(address: &str, user_agent: &str) -> Self {
        let headers = &[("accept", "*/*")];
        Self { address: address.into(), user_agent: user_agent.into(), headers, navigates: false }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(self, user_agent: &str) -> Self {
        Self { user_agent: user_agent.into(), ..self }
    }

    /// A request with this visitor's headers.
    pub fn request(&self, client: &Client, method: Method, url: &str) -> RequestBuilder {
        let mut request = client.request(method, url).header("x-forwarded-for", &self.address);
        if !self.user_agent.is_empty() {
            request = request.header("user-agent", &self.user_agent);
        }
        let navigation = if self.navigates { NAVIGATION } else { &[] };
        self.headers
            .iter()
            .chain(navigation)
            .fold(request, |request, (name, value)| request.header(*name, *value))
    }

    /// GET of a page.
    pub fn get(&self, client: &Client, url: &str) -> RequestBuilder {
        self.request(client, Method::GET, url)
    }

    /// A sign-in with a form.
    pub fn sign_in(&self, client: &Client, url: &str, user: &str, password: &str) -> RequestBuilder {
        self.request(client, Method::POST, url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("user={user}&password={password}"))
    }
}
