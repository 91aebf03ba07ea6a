//! The seven features: one implementation for filter, control plane, replay and training.
//!
//! All lie in [0, 1] and point the same way: higher means more like a bot. The formulas started from
//! measurements on labelled logs of several sites: what counts pages, not requests, carries over between sites,
//! because people load assets and crawlers do not.

use crate::client::ClientState;
use crate::site::Normal;

/// How many features there are.
pub const FEATURE_COUNT: usize = 7;

/// Version of the formulas; weights trained on another version are refused.
pub const FEATURE_VERSION: u16 = 3;

/// The names, in the order of the numbers.
pub const FEATURE_NAMES: [&str; FEATURE_COUNT] = [
    "request_rate",
    "user_agent",
    "endpoint_pattern",
    "timing_regularity",
    "request_entropy",
    "failed_login_rate",
    "burst",
];

/// The seven numbers, each in [0, 1], in the order of [`FEATURE_NAMES`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features([f32; FEATURE_COUNT]);

impl Features {
    /// The features of a client after its latest request was counted; `mismatch` in [0, 1] is how strongly
    /// its headers or JA4 contradict its user agent, `normal` what counts on its site.
    pub fn of(client: &ClientState, mismatch: f32, normal: Normal) -> Self {
        Self(
            [
                request_rate(client),
                user_agent(client, mismatch),
                endpoint_pattern(client, normal),
                timing_regularity(client),
                request_entropy(client),
                failed_login_rate(client),
                burst(client),
            ]
            .map(|value| value.clamp(0.0, 1.0)),
        )
    }

    /// Features from outside; `None` where one is not a number in [0, 1].
    pub fn new(values: [f32; FEATURE_COUNT]) -> Option<Self> {
        values.iter().all(|value| (0.0..=1.0).contains(value)).then_some(Self(values))
    }

    /// The same behaviour under a user agent that nothing speaks against.
    pub fn without_user_agent(mut self) -> Self {
        let [_, user_agent, ..] = &mut self.0;
        *user_agent = 0.0;
        self
    }

    /// The same of somebody whose sign-ins failed at least like these.
    pub(crate) fn with_failed_logins(mut self, failures: f32, attempts: f32) -> Self {
        let [_, _, _, _, _, rate, _] = &mut self.0;
        *rate = rate.max(failed_rate(failures, attempts).clamp(0.0, 1.0));
        self
    }

    /// The numbers.
    pub fn values(&self) -> &[f32; FEATURE_COUNT] {
        &self.0
    }
}

/// `p60 / (p60 + 10)`; p60 = decayed count of pages, τ = 60 s.
fn request_rate(client: &ClientState) -> f32 {
    client.pages_60s / (client.pages_60s + 10.0)
}

/// `1 − (1 − suspicion)(1 − 0.8·mismatch)`: 0 is a current mainstream browser whose other headers agree, 1 is
/// empty or a declared tool or crawler; between lie outdated browsers, unknown programs, contradicted claims.
fn user_agent(client: &ClientState, mismatch: f32) -> f32 {
    1.0 - (1.0 - client.agent_suspicion) * (1.0 - 0.8 * mismatch)
}

/// `max(0.9·robots, bare, 1 − (1 − hard)(1 − 0.6·noreferer)(1 − 0.5·noassets))`, with
/// `hard = min(1, probe / (n + 1) + (0.7·client_error + 0.3·login + 0.5·api + 0.7·head) / (n + 2))`,
/// `noreferer = w₁·(pages without referer + orphans) / (pages + assets + 1)`, and
/// `noassets = w₂·max(0, 1 − assets / (0.3·pages + 0.5)) · pages / (pages + 1)`.
/// `bare = max(min(noreferer, noassets) · m / (m + 3), noassets · m / (m + 60))`, m the pages read, fading over a day: who reads on and
/// on and shows neither, or for very long no assets.
/// n and all counts are decayed ×0.95 per request, and at most five pages' worth of them outlives a visit. Login attempts and
/// what is sent are no pages here. The first page of a visit that nothing led to counts 0.4. An orphan is an asset without
/// referer beyond 12 assets a page; the page that a redirect led to is not counted. w₁ and w₂ say how usual a referer and
/// assets are on the site ([`Normal`]).
///
/// A page loads its assets with a referer, so who typed the address is soon known for a browser, and who asks for
/// assets out of nowhere is not. Both shares grow from 0 with what was seen: one request proves neither.
fn endpoint_pattern(client: &ClientState, normal: Normal) -> f32 {
    let c = client;
    let hard = c.probes / (c.requests + 1.0)
        + (0.7 * c.client_errors + 0.3 * c.logins + 0.5 * c.api_calls + 0.7 * c.heads) / (c.requests + 2.0);
    let no_referer = c.without_referer / (c.pages + c.assets + 1.0) * normal.without_referer;
    let no_assets = (1.0 - c.assets / (0.3 * c.pages + 0.5)).max(0.0) * c.pages / (c.pages + 1.0);
    let no_assets = no_assets * normal.without_assets;
    let pattern = 1.0 - (1.0 - hard.min(1.0)) * (1.0 - 0.6 * no_referer) * (1.0 - 0.5 * no_assets);
    let many = c.read;
    let bare = (no_referer.min(no_assets) * many / (many + 3.0)).max(no_assets * many / (many + 60.0));
    pattern.max(bare).max(0.9 * f32::from(c.read_robots.min(1)))
}

/// `1 − (1 − regular)(1 − fast)`: regular = max(0, 1 − CV) of the gaps between page events, from 5 gaps on;
/// fast = moving mean of exp(−gap / 5 s), from one observation of 0. Page events under 2 s apart are one;
/// gaps are capped at 1,800 s.
fn timing_regularity(client: &ClientState) -> f32 {
    let regular = if client.gaps >= 5 && client.gap_mean > 0.0 {
        (1.0 - libm::sqrtf(client.gap_variance) / client.gap_mean).max(0.0)
    } else {
        0.0
    };
    1.0 - (1.0 - regular) * (1.0 - client.fast)
}

/// `0.3 + 0.5·H + 0.5·repeat − back`: H = Shannon entropy of the pages over 16 hashed path buckets, divided by
/// ln 16; repeat and back = moving means of "same page again" and "A → B → A". Both start from one
/// observation of 0. Login attempts are not counted, nor the same page again within 2 s, nor where a redirect led.
fn request_entropy(client: &ClientState) -> f32 {
    let total: f32 = client.histogram.iter().map(|count| f32::from(*count)).sum();
    let mut entropy = 0.0;
    for count in client.histogram.iter().filter(|count| **count > 0) {
        let share = f32::from(*count) / total;
        entropy -= share * libm::logf(share);
    }
    const LN_16: f32 = 2.772_588_7;
    0.3 + 0.5 * entropy / LN_16 + 0.5 * client.repeat - client.back
}

/// `failures / (attempts + 2)`, both decayed, τ = 900 s. Only attempts that the origin answered count, so that whoever is
/// refused does not look better with every further try.
fn failed_login_rate(client: &ClientState) -> f32 {
    failed_rate(client.failures, client.attempts)
}

fn failed_rate(failures: f32, attempts: f32) -> f32 {
    failures / (attempts + 2.0)
}

/// `e / (e + 2)`, `e = max(0, p2 − 1 − p60 / 30)`: pages beyond the client's own pace; p2 = decayed count of
/// pages, τ = 2 s, p60 the same with τ = 60 s.
fn burst(client: &ClientState) -> f32 {
    let excess = (client.pages_2s - 1.0 - client.pages_60s / 30.0).max(0.0);
    excess / (excess + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PathClass;
    use crate::visit::{Probe, Visit};

    /// A client's requests: milliseconds since the one before, class, path, whether a referer came along.
    fn after(visits: &[(u64, PathClass, &str, bool)]) -> ClientState {
        let mut client = ClientState::new(1);
        let mut now_ms = 1_795_000_000_000;
        for &(gap_ms, class, path, has_referer) in visits {
            now_ms += gap_ms;
            let visit = Visit {
                class,
                path: path.as_bytes(),
                has_referer,
                is_head: false,
                is_attempt: false,
                probe: Probe::None,
                led_by: 0,
                is_along: false,
                is_by_script: false,
                is_sent: false,
                is_form: false,
                is_trap: false,
                is_robots: false,
                is_cross_site: false,
            };
            client.visit(visit, now_ms);
        }
        client
    }

    #[test]
    fn a_page_with_its_assets_is_a_browser_s_and_one_without_is_not() {
        let page = (0, PathClass::Page, "/", false);
        let loaded = |has_referer| {
            let mut visits = vec![page];
            visits.extend((0..6).map(|_| (50, PathClass::Asset, "/a.css", has_referer)));
            endpoint_pattern(&after(&visits), Normal::default())
        };
        let crawl =
            endpoint_pattern(&after(&[page, (9_000, PathClass::Page, "/a", false)]), Normal::default());
        let first = endpoint_pattern(&after(&[page]), Normal::default());
        assert!(loaded(true) < 0.1 && loaded(true) <= loaded(false), "{}", loaded(true));
        assert!(loaded(false) < 0.15 && first > 0.3 && crawl > first, "{first} {crawl}");
    }

    #[test]
    fn assets_out_of_nowhere_count_and_linked_ones_do_not() {
        let images = |has_referer| {
            endpoint_pattern(
                &after(&[(4_000, PathClass::Asset, "/a.png", has_referer); 8]),
                Normal::default(),
            )
        };
        assert_eq!(images(true), 0.0);
        assert!(images(false) > 0.4, "{}", images(false));
    }

    #[test]
    fn known_visits_give_known_figures() {
        // Two pages 9 s apart, the second without referer, and two assets of the first. By hand: all counts fall by
        // 0.95 with each request, and the one page without referer is the latest.
        let client = after(&[
            (0, PathClass::Page, "/", true),
            (100, PathClass::Asset, "/a.css", true),
            (100, PathClass::Asset, "/b.js", true),
            (8_800, PathClass::Page, "/a", false),
        ]);
        let found = *Features::of(&client, 0.5, Normal::default()).values();
        let p60 = 1.0 + (-9.0_f32 / 60.0).exp();
        let (pages, assets) = (0.95_f32.powi(3) + 1.0, 0.95_f32.powi(2) + 0.95);
        let no_assets = (1.0 - assets / (0.3 * pages + 0.5)) * pages / (pages + 1.0);
        let pattern = 1.0 - (1.0 - 0.6 / (pages + assets + 1.0)) * (1.0 - 0.5 * no_assets.max(0.0));
        let fast = (-9.0_f32 / 5.0).exp() / 2.0;
        let entropy = 0.3 + 0.5 * std::f32::consts::LN_2 / 16.0_f32.ln();
        let burst = ((-4.5_f32).exp() - p60 / 30.0).max(0.0);
        let right = [p60 / (p60 + 10.0), 0.4, pattern, fast, entropy, 0.0, burst / (burst + 2.0)];
        for ((name, found), right) in FEATURE_NAMES.iter().zip(found).zip(right) {
            assert!((found - right).abs() < 1e-4, "{name}: {found}, not {right}");
        }
    }

    #[test]
    fn a_redirect_to_the_same_page_is_no_reading_again() {
        let twice = |gap_ms| {
            let visits = [(0, PathClass::Page, "/", false), (gap_ms, PathClass::Page, "/", false)];
            request_entropy(&after(&visits))
        };
        assert_eq!(twice(700), 0.3);
        assert_eq!(twice(5_000), 0.55);
    }
}
