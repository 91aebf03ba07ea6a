//! Outgoing HTTP: everything the control plane fetches goes through one [`Client`], which holds what a URL that
//! somebody configured, or a server somewhere, must not do: reach private addresses (by literal, by name or by
//! redirect), send more than can be used, drip for ever, or lead from https to http.

mod address;
mod error;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Once};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};

use crate::config::{FetchConfig, PrivateHost};
pub(crate) use address::is_public;
pub use error::FetchError;
use error::Unresolved;

/// Redirects that are followed.
const REDIRECTS: usize = 3;

/// How much of the body of a refusal is kept.
const REFUSAL_BYTES: usize = 4096;

/// What servers are told we are.
const USER_AGENT: &str = concat!("sallyport/", env!("CARGO_PKG_VERSION"));

/// Fetches; cheap to clone, and keeps connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    allowed: Arc<Allowed>,
    timeout: Duration,
}

/// Told as an answer arrives: bytes so far, and how many there will be where that is known.
pub type Progress<'a> = &'a (dyn Fn(u64, Option<u64>) + Send + Sync);

/// What is asked.
#[derive(Clone)]
pub struct FetchRequest<'a> {
    /// An absolute URL with http or https.
    pub url: &'a str,
    /// Headers to send, keys among them; a redirect to another origin does not get them.
    pub headers: HeaderMap,
    /// The `ETag` of what is at hand: where it still holds, the answer is [`Fetched::NotModified`].
    pub etag: Option<&'a str>,
    /// The most bytes of the answer, unpacked.
    pub max_bytes: usize,
    /// How long the answer may take, redirects included; `None` for `fetch.timeout_s`.
    pub timeout: Option<Duration>,
    /// Who is told how far it is.
    pub progress: Option<Progress<'a>>,
}

impl<'a> FetchRequest<'a> {
    /// Asks for a URL, without headers, within the configured time.
    #[must_use]
    pub fn new(url: &'a str, max_bytes: usize) -> Self {
        Self { url, headers: HeaderMap::new(), etag: None, max_bytes, timeout: None, progress: None }
    }

    /// Adds a header; `secret` values are shown nowhere.
    ///
    /// # Errors
    /// [`FetchError::Url`] where the value cannot stand in a header.
    pub fn header(mut self, name: &'static str, secret: &str) -> Result<Self, FetchError> {
        let mut value =
            HeaderValue::from_str(secret).map_err(|_| FetchError::Url("sent with a faulty header"))?;
        value.set_sensitive(true);
        self.headers.insert(HeaderName::from_static(name), value);
        Ok(self)
    }
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// 304: what has the `ETag` that was sent still holds.
    NotModified,
    /// 2xx.
    Body {
        /// The answer, unpacked.
        bytes: Vec<u8>,
        /// Its `ETag`.
        etag: Option<String>,
        /// Its status.
        status: u16,
    },
}

impl Client {
    /// A client with these limits.
    ///
    /// # Errors
    /// [`FetchError::Connection`] when the roots of TLS or the proxy cannot be used.
    pub fn new(config: &FetchConfig) -> Result<Self, FetchError> {
        install_tls();
        let allowed = Arc::new(Allowed::new(config));
        let failed = |error: reqwest::Error| FetchError::of(error, "TLS", Duration::ZERO);
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .referer(false)
            .dns_resolver(Resolver { allowed: Arc::clone(&allowed), proxied: !config.proxy.is_empty() })
            .connect_timeout(Duration::from_millis(config.connect_timeout_ms.into()))
            .pool_idle_timeout(Duration::from_secs(60))
            .no_proxy();
        let builder = match config.proxy.as_str() {
            "" => builder,
            proxy => builder.proxy(reqwest::Proxy::all(proxy).map_err(failed)?),
        };
        let timeout = Duration::from_secs(config.timeout_s.into());
        Ok(Self { http: builder.build().map_err(failed)?, allowed, timeout })
    }

    /// Fetches with `GET`.
    ///
    /// # Errors
    /// See [`FetchError`]; what is not 2xx or, where an `ETag` was sent, 304, is one.
    pub async fn get(&self, request: FetchRequest<'_>) -> Result<Fetched, FetchError> {
        let limit = request.timeout.unwrap_or(self.timeout);
        let host = shown(&Url::parse(request.url).map_err(|_| FetchError::Url("no URL"))?);
        within(limit, host, self.follow(&request, limit)).await
    }

    /// Asks, and goes where redirects lead.
    async fn follow(&self, request: &FetchRequest<'_>, limit: Duration) -> Result<Fetched, FetchError> {
        let first = Url::parse(request.url).map_err(|_| FetchError::Url("no URL"))?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS {
            self.allowed.check(&url)?;
            let mut asked = self.http.get(url.clone());
            if url.origin() == first.origin() {
                asked = asked.headers(request.headers.clone());
            }
            if let Some(etag) = request.etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
                asked = asked.header(IF_NONE_MATCH, etag);
            }
            let host = shown(&url);
            let response = asked.send().await.map_err(|error| FetchError::of(error, &host, limit))?;
            match response.status() {
                StatusCode::NOT_MODIFIED if request.etag.is_some() => return Ok(Fetched::NotModified),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => url = target(&url, &response)?,
                status if status.is_success() => return read(response, &host, request, limit).await,
                _ => return Err(refusal(response, host).await),
            }
        }
        Err(FetchError::Redirect { host: shown(&first), why: "more than three times" })
    }
}

/// Where a redirect leads.
fn target(url: &Url, response: &Response) -> Result<Url, FetchError> {
    let refused = |why| FetchError::Redirect { host: shown(url), why };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| url.join(location).ok()).ok_or(refused("nowhere"))?;
    if url.scheme() == "https" && next.scheme() == "http" {
        return Err(refused("from https to http, which anybody on the way can change"));
    }
    Ok(next)
}

/// The body, piece by piece, so that no more is held than may come.
async fn read(
    mut response: Response,
    host: &str,
    request: &FetchRequest<'_>,
    limit: Duration,
) -> Result<Fetched, FetchError> {
    let too_large = || FetchError::TooLarge { host: host.to_owned(), limit: request.max_bytes };
    let expected = response.content_length();
    if expected.is_some_and(|length| length > request.max_bytes as u64) {
        return Err(too_large());
    }
    let status = response.status().as_u16();
    let etag = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| FetchError::of(error, host, limit))? {
        if piece.len() > request.max_bytes - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
        if let Some(progress) = request.progress {
            progress(bytes.len() as u64, expected);
        }
    }
    Ok(Fetched::Body { bytes, etag, status })
}

/// What is kept of an answer that is no success.
async fn refusal(mut response: Response, host: String) -> FetchError {
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_s = header.and_then(|text| text.trim().parse().ok());
    let mut body = Vec::new();
    while body.len() < REFUSAL_BYTES
        && let Ok(Some(piece)) = response.chunk().await
    {
        body.extend_from_slice(&piece[..piece.len().min(REFUSAL_BYTES - body.len())]);
    }
    FetchError::Status { host, status, retry_after_s, body }
}

async fn within<T>(
    limit: Duration,
    host: String,
    fetch: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    tokio::time::timeout(limit, fetch).await.unwrap_or(Err(FetchError::Timeout { host, limit }))
}

/// Host and port, as far as they were written: all of a URL that may be shown.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Who may have a private address.
#[derive(Default)]
struct Allowed {
    all: bool,
    /// Names; a port beside them is not known when they are resolved.
    names: HashSet<String>,
    /// Addresses that stand in URLs, each at one port or at any.
    nets: Vec<(IpNet, Option<u16>)>,
}

impl Allowed {
    /// What does not parse, the configuration's own check names.
    fn new(config: &FetchConfig) -> Self {
        let mut allowed = Self::default();
        for entry in config.allow_private.iter().filter_map(|text| PrivateHost::read(text).ok()) {
            match entry {
                PrivateHost::All => allowed.all = true,
                PrivateHost::Name(name, _) => {
                    allowed.names.insert(name);
                }
                PrivateHost::Net(net, port) => allowed.nets.push((net, port)),
            }
        }
        allowed
    }

    /// Whether a URL may be asked, as far as it tells by itself; names are looked at when they are resolved.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Url("neither http nor https"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Url("written with a name or password, which do not belong there"));
        }
        if url.host_str().is_none() {
            return Err(FetchError::Url("without a host"));
        }
        match address_of(url) {
            Some(ip) if !address::is_public(ip) && !self.holds_address(ip, url.port_or_known_default()) => {
                Err(FetchError::Private { host: shown(url) })
            }
            _ => Ok(()),
        }
    }

    fn holds_address(&self, ip: IpAddr, port: Option<u16>) -> bool {
        let ip = ip.to_canonical();
        self.all || self.nets.iter().any(|(net, only)| net.contains(&ip) && (only.is_none() || *only == port))
    }

    /// Whether a name may have private addresses. Which port will be asked is not known here, so that an entry with
    /// a port allows the name as a whole.
    fn holds_name(&self, name: &str) -> bool {
        self.all || self.names.contains(name)
    }
}

/// The address that stands in a URL; its parser has made dotted decimal of every spelling of an IPv4 address.
fn address_of(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_matches(['[', ']']).parse().ok()
}

/// Resolves names by the system, and leaves out addresses that may not be asked: what is connected to is what was
/// looked at, so that a name cannot change its mind in between.
struct Resolver {
    allowed: Arc<Allowed>,
    /// The only name that is resolved then is the proxy's.
    proxied: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
        let any = self.proxied || self.allowed.holds_name(&name);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<SocketAddr> =
                found.map_err(|error| Unresolved::Unknown(error.to_string()))?.collect();
            if found.is_empty() {
                return Err(Unresolved::Unknown("none is known".to_owned()).into());
            }
            let good: Vec<_> = found.into_iter().filter(|at| any || address::is_public(at.ip())).collect();
            if good.is_empty() {
                return Err(Unresolved::Private.into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// Names the implementation of TLS, once for the process.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that another one was named before, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}
