//! What `POST /check` is asked, and the facts in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use sallyport_core::{
    BrowserHeaders, Check, Evidence, FEATURE_COUNT, Features, RequestFacts, Unknown, strip_query,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::error::ApiError;

/// The request to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CheckRequest<'a> {
    /// The visitor's address; the caller's own where it is left out.
    #[schema(value_type = Option<String>, example = "203.0.113.7")]
    pub(super) ip: Option<IpAddr>,
    /// `User-Agent` as sent; empty where there was none.
    #[serde(borrow)]
    #[schema(value_type = String, example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    pub(super) user_agent: Cow<'a, str>,
    /// The path asked for; a query is cut off.
    #[serde(borrow)]
    #[schema(value_type = String, example = "/products/42")]
    pub(super) endpoint: Cow<'a, str>,
    /// HTTP method. Default GET.
    #[serde(borrow, default = "get")]
    #[schema(value_type = Option<String>, example = "GET")]
    pub(super) method: Cow<'a, str>,
    /// The visitor's other headers; only those that tell browsers from tools are read. `x-forwarded-proto:
    /// https` says that the visitor came by https.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// The visitor's session, if the site has one. It counts, besides the client, once the site issued it: as
    /// `POST /v1/answers` or a passed `POST /v1/logins` tells.
    #[serde(default)]
    pub(super) session_id: Option<String>,
    /// With a login attempt: the name that somebody signs in with. It is hashed, not stored.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    pub(super) account: Option<Cow<'a, str>>,
    /// What the page's script found out about the device: an id or an object.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub(super) fingerprint: Option<serde_json::Value>,
    /// Name of the decision, for feedback; a new UUIDv7 where it is left out or empty.
    #[serde(default)]
    pub(super) request_id: Option<String>,
    /// Whether `POST /v1/answers` will tell of the answer, by the `request_id` of this one: then what an answer can show is
    /// not taken from requests alone. Default false.
    #[serde(default)]
    pub(super) answered: bool,
    /// From a filter: the seven features it measured, each 0 to 1. Then no client record is used here.
    #[serde(default)]
    pub(super) features: Option<[f32; FEATURE_COUNT]>,
    /// From a filter, with `features`: the strength of each check, -1 to 1.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, f32>>)]
    pub(super) evidence: BTreeMap<String, f32>,
}

fn get() -> Cow<'static, str> {
    Cow::Borrowed("GET")
}

/// The facts of a request, but for its fingerprint.
pub(super) fn facts<'a>(
    request: &'a CheckRequest<'_>,
    ip: IpAddr,
    headers: Option<BrowserHeaders<'a>>,
) -> RequestFacts<'a> {
    let header = |name| request.headers.as_ref().map_or(&b""[..], |headers| value(headers, name));
    RequestFacts {
        address: Some(ip),
        method: request.method.as_bytes(),
        authority: header("host"),
        path: strip_query(request.endpoint.as_bytes()),
        user_agent: request.user_agent.as_bytes(),
        referer: header("referer"),
        ja4: b"",
        session: request.session_id.as_deref().unwrap_or_default().as_bytes(),
        other_session: b"",
        unanswered: !request.answered,
        unknown: Unknown::default(),
        fingerprint: b"",
        headers,
    }
}

/// The headers that tell browsers from tools.
pub(super) fn browser_headers(headers: &BTreeMap<String, String>) -> BrowserHeaders<'_> {
    BrowserHeaders {
        accept: value(headers, "accept"),
        accept_language: value(headers, "accept-language"),
        accept_encoding: value(headers, "accept-encoding"),
        sec_fetch_site: value(headers, "sec-fetch-site"),
        sec_fetch_mode: value(headers, "sec-fetch-mode"),
        sec_fetch_dest: value(headers, "sec-fetch-dest"),
        sec_ch_ua: value(headers, "sec-ch-ua"),
        sec_ch_ua_mobile: value(headers, "sec-ch-ua-mobile"),
        sec_ch_ua_platform: value(headers, "sec-ch-ua-platform"),
        origin: value(headers, "origin"),
        upgrade: value(headers, "upgrade"),
        content_type: value(headers, "content-type"),
        secure: value(headers, "x-forwarded-proto").eq_ignore_ascii_case(b"https"),
    }
}

/// A header's value whatever the case of its name; empty where there is none.
fn value<'a>(headers: &'a BTreeMap<String, String>, name: &str) -> &'a [u8] {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(b"", |(_, value)| value.as_bytes())
}

/// What a filter measured.
///
/// # Errors
/// The first number that cannot be, with its field.
pub(super) fn measured(
    features: [f32; FEATURE_COUNT],
    strengths: &BTreeMap<String, f32>,
) -> Result<(Features, Evidence), ApiError> {
    if let Some(index) = features.iter().position(|value| !(0.0..=1.0).contains(value)) {
        let field = format!("features[{index}]");
        let detail = format!("{field}: {} does not lie between 0 and 1", features[index]);
        return Err(ApiError::invalid(field, detail));
    }
    let features = Features::new(features)
        .ok_or_else(|| ApiError::invalid("features", "features: seven numbers between 0 and 1 are needed"))?;
    let mut evidence = Evidence::default();
    for (name, strength) in strengths {
        let field = format!("evidence.{name}");
        let Some(check) = Check::from_name(name) else {
            let detail = format!("{field}: there is no check of this name");
            return Err(ApiError::invalid(field, detail));
        };
        if !(-1.0..=1.0).contains(strength) {
            let detail = format!("{field}: {strength} does not lie between -1 and 1");
            return Err(ApiError::invalid(field, detail));
        }
        evidence.set(check, *strength);
    }
    Ok((features, evidence))
}
