//! What a request asks for, under a policy: read once, however often its records are loaded.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::client::ClientState;
use crate::engine::Engine;
use crate::facts::{RequestFacts, strip_query};
use crate::keys::path_hash;
use crate::login_path::sends;
use crate::path::{PathClass, classify, is_form, is_icon, is_probe, is_robots, is_secret, is_sign_in_itself};
use crate::plain::plain;
use crate::policy::Responses;
use crate::site::{Normal, Places};
use crate::text::find;
use crate::visit::{ALONG_MS, page_of};

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
    /// A probe for what nobody should see, rather than for a page that some sites have.
    pub(crate) is_secret: bool,
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
    /// Sent, as forms and scripts send.
    pub(crate) is_sent: bool,
    /// Its answer will be seen.
    pub(crate) is_answered: bool,
    /// Sent to where visitors write something.
    pub(crate) is_form: bool,
    /// Most who ask for it load it with a page, whatever it is named.
    pub(crate) is_part: bool,
    /// Its site and route, where a profile of the site is kept.
    pub(crate) places: Places,
    /// What counts on its site.
    pub(crate) normal: Normal,
}

impl Engine {
    /// Reads a request.
    pub fn ask<'a>(&self, facts: &'a RequestFacts<'a>) -> Asked<'a> {
        let path = plain(facts.path);
        let route = self.policy().route_of(facts.authority, &path);
        let site = self.site();
        let places = site.map_or_else(Places::default, |_| Places::of(self.key(), facts.authority, &path));
        let is_sent = sends(facts.method);
        let is_part = site.is_some_and(|site| site.is_part(places));
        let class = route.class.unwrap_or_else(|| match classify(facts, &path) {
            PathClass::Page if is_part => {
                if is_sent {
                    PathClass::Api
                } else {
                    PathClass::Asset
                }
            }
            class => class,
        });
        let route_of = |method| self.policy().login_route(method, facts.authority, &path);
        let signs_in = class == PathClass::Login && is_sent;
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
            is_secret: is_probe && is_secret(facts.path, &path),
            is_sent_along,
            is_trap: self.policy().is_trap(&path),
            is_cross_site,
            is_within: is_within(facts),
            is_signed_in: route.signed_in,
            limits: self.policy().limits_place(facts.authority),
            is_sent,
            is_answered: !facts.unanswered && self.policy().responses() == Responses::Pages,
            is_form: is_sent && class == PathClass::Page && is_form(&path),
            is_part,
            places,
            normal: site.map_or_else(Normal::default, |site| site.normal(places)),
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

    /// Whether something led here, as the visitor says: a referer, or what stands in its place where sites send none.
    pub(crate) fn is_led(&self) -> bool {
        let headers = self.facts.headers.unwrap_or_default();
        let is_led = matches!(headers.sec_fetch_site, b"same-origin" | b"same-site" | b"cross-site");
        let has_referer = !matches!(self.facts.referer, b"" | b"-");
        has_referer || self.facts.unknown.referer || is_led || !matches!(headers.origin, b"" | b"null")
    }

    /// Whether it comes along with the client's latest page, as parts of pages do: right after, and led by that page, as
    /// `led_by` tells (see [`Asked::led_by`]).
    pub(crate) fn is_along(&self, led_by: u32, client: &ClientState, now_ms: u64) -> bool {
        let is_led = client.root != 0 && (led_by == client.root || led_by == client.last_page);
        let is_soon = now_ms.saturating_sub(client.last_seen_ms) <= ALONG_MS;
        if self.is_attempt || !self.is_within || !is_led || !is_soon {
            return false;
        }
        // A page is no part of itself.
        let page = page_of(path_hash(self.facts.path));
        page != client.root && page != client.last_page
    }

    /// Whether a page's script sends it, or the browser by itself, as it says.
    pub(crate) fn is_by_script(&self) -> bool {
        let is_post = self.is_sent && self.is_led() && !self.is_attempt && !self.is_form;
        is_post || self.facts.headers.is_some_and(|headers| headers.is_by_itself())
    }

    /// The page that led here, as the client's record knows pages; 0 for none.
    pub(crate) fn led_by(&self) -> u32 {
        let path = find(self.facts.referer, b"://").and_then(|at| {
            let rest = self.facts.referer.get(at + 3..)?;
            rest.get(rest.iter().position(|byte| *byte == b'/')?..)
        });
        path.map_or(0, |path| page_of(path_hash(strip_query(path))))
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
