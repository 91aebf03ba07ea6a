//! What a request teaches of its site.

use super::Lesson;
use crate::asked::Asked;
use crate::client::ClientState;
use crate::path::{PathClass, is_named_asset};
use crate::subjects::Subjects;
use crate::visit::ALONG_MS;

/// Whoever is more suspicious than this by its user agent teaches nothing.
const MOST_SUSPICIOUS: f32 = 0.3;

impl Subjects<'_> {
    /// What the request teaches, counted already; `before` is the client's record before it. Bots that say so, and whoever
    /// probed, teach nothing.
    pub(crate) fn lesson(&self, asked: &Asked<'_>, before: &ClientState, now_ms: u64) -> Option<Lesson> {
        let client = &*self.client;
        let is_trusted = client.agent_suspicion < MOST_SUSPICIOUS
            && client.read_robots == 0
            && client.trap + client.probe_hits == 0.0;
        let is_page = matches!(asked.class, PathClass::Page | PathClass::Login) && !asked.is_attempt;
        let reads = is_page && !asked.is_sent;
        let is_part = reads
            || matches!(asked.class, PathClass::Asset | PathClass::Page) && !is_named_asset(&asked.path);
        if !is_trusted || !is_part {
            return None;
        }
        let lesson = Lesson {
            places: asked.places,
            client: client.key,
            network: self.network_key,
            assets: None,
            referer: None,
            part: None,
        };
        let was_shown = before.has_loaded();
        let is_second = reads && client.visits == 0 && before.visit_pages == 1 && client.visit_pages == 2;
        let is_second = is_second && client.event_ms != before.event_ms;
        let is_soon = before.root != 0 && now_ms.saturating_sub(before.last_seen_ms) <= ALONG_MS;
        let is_browser = was_shown || asked.is_within;
        let was_moved = before.redirect == 1;
        let is_along =
            is_soon && (asked.facts.referer.is_empty() || asked.is_along(asked.led_by(), before, now_ms));
        Some(Lesson {
            assets: (is_second && follows_a_link(asked, before, client)).then_some(was_shown),
            referer: (is_second && was_shown).then(|| asked.is_led()),
            part: (is_browser && !was_moved).then_some(is_along),
            ..lesson
        })
    }
}

/// Whether the visitor went from one page to another by a link of the first: to say so it must have looked at the first.
fn follows_a_link(asked: &Asked<'_>, before: &ClientState, client: &ClientState) -> bool {
    let goes_on = client.last_page != before.last_page;
    let says_so = || asked.facts.headers.unwrap_or_default().sec_fetch_site == b"same-origin";
    goes_on
        && match asked.led_by() {
            0 => says_so(),
            page => page == before.last_page,
        }
}
