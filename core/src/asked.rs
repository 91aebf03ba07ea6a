//! What a request asks for, under a policy: read once, however often its records are loaded.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::engine::Engine;
use crate::facts::RequestFacts;
use crate::login_path::sends;
use crate::path::{PathClass, classify, is_icon, is_probe, is_robots, is_sign_in_itself};
use crate::plain::plain;
use crate::text::find;

/// A request as the policy sees it.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Its facts.
    pub facts: &'a RequestFacts<'a>,
    /// The plain path.
    pub(crate) path: Cow<'a, [u8]>,
    /// Keyed hash of an asset's plain path; 0 for others.
    pub(crate) asset_key: u64,
    /// Most who ask for it as for an asset get something else: [`crate::UsualAnswers::recall`] says so.
    pub(crate) is_no_asset: bool,
    pub(crate) class: PathClass,
    /// The place of the login route in the policy, where one is configured.
    pub(crate) login: Option<u16>,
    pub(crate) is_attempt: bool,
    pub(crate) is_probe: bool,
    /// A sign-in that would be a probe, had not another site sent the visitor there with what it has to show.
    pub(crate) is_sent_along: bool,
    pub(crate) is_trap: bool,
    /// Brought along by another site: an image, a frame, a post; not a link that was followed. A claim.
    pub(crate) is_cross_site: bool,
    /// This site led here, as the visitor says.
    pub(crate) is_within: bool,
    /// Only who is signed in gets a 2xx.
    pub(crate) is_signed_in: bool,
    /// Which limits count for its host: [`crate::Policy::limits_at`].
    pub(crate) limits: u16,
}

impl Engine {
    /// Reads a request.
    pub fn ask<'a>(&self, facts: &'a RequestFacts<'a>) -> Asked<'a> {
        let path = plain(facts.path);
        let route = self.policy().route_of(facts.authority, &path);
        let class = route.class.unwrap_or_else(|| classify(facts, &path));
        let route_of = |method| self.policy().login_route(method, facts.authority, &path);
        let signs_in = class == PathClass::Login && sends(facts.method);
        // A sign-in by its name has the route of its path, whatever its method: else another one would dodge what the route
        // says of answers.
        let any_method = || if signs_in { route_of(None) } else { None };
        let login = route_of(Some(facts.method)).or_else(any_method);
        let is_attempt = signs_in || login.is_some();
        let is_cross_site = is_cross_site(facts);
        let is_probe = route.class.is_none() && is_probe(class, facts.path, &path);
        let is_sent_along =
            is_probe && is_cross_site && is_attempt && is_sign_in_itself(facts.path, &path, login.is_some());
        Asked {
            facts,
            class,
            asset_key: if class == PathClass::Asset { self.key().path(&path) } else { 0 },
            is_no_asset: false,
            login,
            is_attempt,
            is_probe: is_probe && !is_sent_along,
            is_sent_along,
            is_trap: self.policy().is_trap(&path),
            is_cross_site,
            is_within: is_within(facts),
            is_signed_in: route.signed_in,
            limits: self.policy().limits_place(facts.authority),
            path,
        }
    }
}

impl Asked<'_> {
    /// Whether it tries to sign in: only then [`crate::Marks::network`] counts.
    pub fn is_login_attempt(&self) -> bool {
        self.is_attempt && self.class != PathClass::Ignore
    }

    /// Whether it is neither judged nor counted.
    pub fn is_ignored(&self) -> bool {
        self.class == PathClass::Ignore
    }

    /// Whether it asks for something to read: a page, or an API call.
    pub(crate) fn reads(&self) -> bool {
        !self.is_attempt && matches!(self.class, PathClass::Page | PathClass::Login | PathClass::Api)
    }

    pub(crate) fn is_robots(&self) -> bool {
        is_robots(&self.path)
    }

    pub(crate) fn is_icon(&self) -> bool {
        is_icon(&self.path)
    }

    /// Whether the client's address is one of very many that its network has, at no cost: IPv6.
    pub(crate) fn is_of_many(&self) -> bool {
        matches!(self.facts.address, Some(IpAddr::V6(_)))
    }
}

fn is_cross_site(facts: &RequestFacts<'_>) -> bool {
    let headers = facts.headers.unwrap_or_default();
    headers.sec_fetch_site == b"cross-site"
        && !(facts.method == b"GET" && headers.sec_fetch_mode == b"navigate")
}

/// By `Sec-Fetch-Site`, else by the referer's host. Where the host asked for is not known, as in most access logs, any
/// referer counts.
fn is_within(facts: &RequestFacts<'_>) -> bool {
    let headers = facts.headers.unwrap_or_default();
    match headers.sec_fetch_site {
        b"" => {}
        b"same-origin" => return true,
        _ => return false,
    }
    let Some(at) = find(facts.referer, b"://") else { return false };
    let rest = facts.referer.get(at + 3..).unwrap_or_default();
    let host = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
    !host.is_empty() && (facts.authority.is_empty() || host.eq_ignore_ascii_case(facts.authority))
}
