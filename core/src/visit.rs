//! What a request changes in its client's record: visits, pages and what comes along with them.

use crate::client::{ClientState, one_if};
use crate::decay::{moving_mean, remaining};
use crate::keys::path_hash;
use crate::path::PathClass;

/// Per-request decay of the shares (probe, login, api, …): half is forgotten after 14 requests.
const SHARE_DECAY: f32 = 0.95;
/// Page events closer than this are one event: a redirect, a frame, a double click.
const ONE_EVENT_MS: u64 = 2_000;
/// A redirect is followed within this time.
const FOLLOWED_MS: u64 = 10_000;
/// How much the first page of a visit counts that nothing led to.
const ENTRY: f32 = 0.4;
/// How much of a probe a page is that some sites have.
const SERVED: f32 = 0.4;
/// How much of a page's rate is what is no page as far as the request tells.
const LIGHT: f32 = 0.2;
/// At most so many requests come along with a page before they are pages themselves.
const MOST_ALONG: u8 = 60;
/// What comes along with a page comes so soon after the request before it.
pub(crate) const ALONG_MS: u64 = 3_000;
/// So many assets are laid to each page: a browser that sends no referer at all loads them like any other.
const ASSETS_OF_A_PAGE: f32 = 12.0;
/// τ of the typical gap that `fast` measures against, in seconds.
const FAST_GAP_S: f32 = 5.0;
/// Window of the moving means of timing, in page events.
const TIMING_WINDOW: u32 = 32;
/// Window of `repeat` and `back`, in pages.
const VISIT_WINDOW: u32 = 16;
/// τ of login attempts and failures, in seconds.
pub(crate) const LOGIN_TAU_S: f32 = 900.0;
/// τ of trap and probe hits, in seconds.
const HIT_TAU_S: f32 = 1_800.0;
/// After so long a silence another visit begins, in milliseconds (30 minutes).
const VISIT_MS: u64 = 1_800_000;
/// A visit begins with what the last ones were, with the weight of so many pages at most.
const CARRIED_PAGES: f32 = 5.0;
/// So many pages are carried of those that say how long somebody has read.
const CARRIED_READ: f32 = 20.0;
/// Who read `/robots.txt` is known for it for so long, in milliseconds (1 day of silence).
const ROBOTS_MS: u64 = 86_400_000;
/// τ of what is carried, in seconds (1 day).
const CARRIED_TAU_S: f32 = 86_400.0;
/// So many pages are a handful: with fewer a client is judged by its address too.
const HANDFUL: f32 = 5.0;

/// What a path probes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    None,
    /// A page that some sites have.
    Served,
    /// What nobody should see.
    Secret,
}

/// What a request is to the record that it updates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) class: PathClass,
    pub(crate) path: &'a [u8],
    pub(crate) has_referer: bool,
    /// Hash of the page that led here; 0 for none.
    pub(crate) led_by: u32,
    /// Asked for along with the latest page.
    pub(crate) is_along: bool,
    /// Sent or asked for by a page's script or the browser itself, as it says.
    pub(crate) is_by_script: bool,
    /// Sent, as forms and scripts send.
    pub(crate) is_sent: bool,
    /// Sent to where visitors write something.
    pub(crate) is_form: bool,
    pub(crate) is_head: bool,
    pub(crate) is_attempt: bool,
    pub(crate) probe: Probe,
    pub(crate) is_trap: bool,
    pub(crate) is_robots: bool,
    /// Brought along by another site: it hits no trap or probe of its own will.
    pub(crate) is_cross_site: bool,
}

/// A page as records know it: half of its path's hash.
pub(crate) fn page_of(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl ClientState {
    /// Counts one request. A clock that runs backwards a little stands still.
    pub(crate) fn visit(&mut self, visit: Visit<'_>, now_ms: u64) {
        let now_ms = self.pass_time(now_ms);
        if self.is_new() {
            self.first_seen_ms = now_ms;
        }
        self.shares().into_iter().for_each(|share| *share *= SHARE_DECAY);
        self.is_light = 0;
        self.requests += 1.0;
        self.heads += one_if(visit.is_head);
        let probe = if visit.is_cross_site { Probe::None } else { visit.probe };
        let (share, hits) = match probe {
            Probe::None => (0.0, 0.0),
            Probe::Served => (SERVED, 2.0 * SERVED),
            Probe::Secret => (1.0, 4.0),
        };
        self.probes += share;
        self.probe_hits += hits;
        if matches!(visit.class, PathClass::Page | PathClass::Login) {
            self.served_probe = 0;
        }
        self.logins += one_if(visit.is_attempt);
        if visit.is_trap && !visit.is_cross_site {
            self.trap = 1.0;
        }
        if visit.is_robots {
            self.read_robots = 1;
        }
        self.quick_forms += one_if(visit.is_form && self.is_too_quick(now_ms));
        match visit.class {
            PathClass::Asset => {
                self.assets += 1.0;
                // The page is there, and was shown.
                if self.served_probe == 1 {
                    self.pardon();
                }
                let out_of_nowhere = !visit.has_referer && self.assets > ASSETS_OF_A_PAGE * self.pages;
                self.without_referer += one_if(out_of_nowhere);
            }
            PathClass::Api => self.api_calls += 1.0,
            PathClass::Page | PathClass::Login => self.page(visit, now_ms),
            PathClass::Ignore => {}
        }
    }

    /// What is counted of requests, and fades with each.
    fn shares(&mut self) -> [&mut f32; 10] {
        [
            &mut self.requests,
            &mut self.pages,
            &mut self.assets,
            &mut self.probes,
            &mut self.client_errors,
            &mut self.logins,
            &mut self.api_calls,
            &mut self.heads,
            &mut self.without_referer,
            &mut self.false_assets,
        ]
    }

    /// Lets the time-decayed numbers forget up to now; gives the time that counts, in Unix milliseconds.
    pub(crate) fn pass_time(&mut self, now_ms: u64) -> u64 {
        let now_ms = now_ms.max(self.last_seen_ms).max(1);
        let elapsed = now_ms - self.last_seen_ms;
        if elapsed > VISIT_MS && !self.is_new() {
            self.begin_visit(elapsed);
        }
        self.pages_60s *= remaining(elapsed, 60.0);
        self.pages_2s *= remaining(elapsed, 2.0);
        if self.attempts > 0.0 || self.failures > 0.0 {
            let left = remaining(elapsed, LOGIN_TAU_S);
            self.attempts *= left;
            self.failures *= left;
        }
        if self.trap > 0.0 || self.probe_hits > 0.0 || self.quick_forms > 0.0 {
            let left = remaining(elapsed, HIT_TAU_S);
            self.quick_forms *= left;
            self.trap *= left;
            self.probe_hits *= left;
        }
        self.last_seen_ms = now_ms;
        now_ms
    }

    /// The site has the page, and this one is at home there: it was no probe.
    pub(crate) fn pardon(&mut self) {
        self.served_probe = 0;
        self.probes = (self.probes - SERVED).max(0.0);
        self.probe_hits = (self.probe_hits - 2.0 * SERVED).max(0.0);
    }

    /// The site has the page that some have; `is_within` says that it led there.
    pub(crate) fn found_served(&mut self, is_within: bool) {
        self.served_probe = 1;
        if self.is_at_home(is_within) {
            self.pardon();
        }
    }

    /// Whether administration is its own: it signed in there, or comes to it from the site's pages, and was shown those.
    pub(crate) fn is_at_home(&self, is_within: bool) -> bool {
        self.at_home == 1 || (is_within && (self.has_loaded() || self.proven_s != 0))
    }

    /// Whether it has loaded assets lately.
    pub(crate) fn has_loaded(&self) -> bool {
        self.assets > 0.3
    }

    /// Whether a form that is sent now was read by nobody: its page came a moment ago, and was not shown.
    fn is_too_quick(&self, now_ms: u64) -> bool {
        let is_just_read = self.visit_pages > 0 && now_ms.saturating_sub(self.event_ms) <= ONE_EVENT_MS;
        is_just_read && !self.has_loaded()
    }

    /// Begins another visit after `elapsed` milliseconds of silence: of what it did before, a few pages' worth stays.
    fn begin_visit(&mut self, elapsed: u64) {
        let fades = remaining(elapsed, CARRIED_TAU_S);
        let kept = fades * (CARRIED_PAGES / self.pages.max(CARRIED_PAGES));
        self.shares().into_iter().for_each(|share| *share *= kept);
        self.read = (self.read * fades).min(CARRIED_READ);
        for mean in [&mut self.fast, &mut self.repeat, &mut self.back] {
            *mean *= fades;
        }
        self.gaps = self.gaps.min(CARRIED_PAGES as u32);
        self.page_count = self.page_count.min(CARRIED_PAGES as u32);
        let seen: u32 = self.histogram.iter().map(|count| u32::from(*count)).sum();
        let kept = fades * (CARRIED_PAGES / (seen as f32).max(CARRIED_PAGES));
        self.histogram.iter_mut().for_each(|count| *count = (f32::from(*count) * kept + 0.5) as u8);
        (self.event_ms, self.redirect, self.false_claims, self.visit_pages) = (0, 0, 0, 0);
        (self.last_page, self.previous_page, self.root, self.along) = (0, 0, 0, 0);
        // Nobody reads robots.txt by accident: but that was another day.
        if elapsed > ROBOTS_MS {
            (self.read_robots, self.at_home) = (0, 0);
        }
        self.visits = self.visits.saturating_add(1);
    }

    /// Whether most of what it asks for as assets is none: who loads more than that has come to a site that lost some of its
    /// pictures.
    pub(crate) fn claims_falsely(&self) -> bool {
        self.false_assets > self.assets
    }

    /// Whether it has shown so little of its own that its address speaks for it too.
    pub(crate) fn is_little_known(&self) -> bool {
        (self.page_count as f32) < HANDFUL
    }

    fn page(&mut self, visit: Visit<'_>, now_ms: u64) {
        let is_followed = now_ms.saturating_sub(self.event_ms) < FOLLOWED_MS;
        if std::mem::take(&mut self.redirect) == 1 && is_followed && !visit.is_attempt {
            // Where a redirect led to is no further step of the visitor's.
            self.redirect = 2;
            self.event_ms = now_ms;
            self.pages_60s += 1.0;
            self.pages_2s += 1.0;
            return;
        }
        // What its answer says to be a page is counted then: see `was_page`.
        if self.comes_along(visit) || visit.is_by_script {
            self.awaits_proof = 1;
            self.is_light = 1;
            self.pages_60s += LIGHT;
            return;
        }
        self.pages_60s += 1.0;
        self.pages_2s += 1.0;
        let goes_on = self.event_ms != 0 && now_ms.saturating_sub(self.event_ms) < ONE_EVENT_MS;
        if !goes_on {
            self.page_event(now_ms);
        }
        // What is sent from a page is answered by a redirect or by the form again: what a page loads is not to be expected,
        // nor is it a reading of the same page again.
        if visit.is_attempt || (visit.is_sent && visit.has_referer) {
            // What comes next belongs to where it leads.
            self.root = 0;
            return;
        }
        self.pages += 1.0;
        self.awaits_proof = 1;
        // Anybody may come to a site by typing its address, and look again.
        let hash = path_hash(visit.path);
        let reloads = page_of(hash) == self.last_page;
        let without = if self.visit_pages == 0 || reloads { ENTRY } else { 1.0 };
        self.without_referer += without * one_if(!visit.has_referer);
        self.visit_pages = self.visit_pages.saturating_add(1);
        self.read += 1.0;
        // A double click is no reading again either.
        let same = goes_on && reloads;
        if !same {
            self.read_page(hash);
        }
        if self.root == 0 || visit.led_by != self.root {
            self.root = page_of(hash);
        }
        self.page_count = self.page_count.saturating_add(1);
    }

    /// Whether it is asked for along with the latest page, as pages ask for their parts, however they are named: at once and
    /// with that page as the referer. One page has no more than so many of them.
    fn comes_along(&mut self, visit: Visit<'_>) -> bool {
        let is_along = visit.is_along && self.along < MOST_ALONG;
        self.along = if is_along { self.along + 1 } else { 0 };
        if is_along && visit.led_by == self.last_page {
            self.root = self.last_page;
        }
        is_along
    }

    /// What was counted as no page is one, as its answer says; `hash` is its path's, `is_led` says that something led there.
    pub(crate) fn was_page(&mut self, hash: u64, is_led: bool) {
        self.pages_60s += 1.0 - LIGHT;
        self.pages_2s += 1.0;
        self.pages += 1.0;
        self.read += 1.0;
        self.without_referer += one_if(!is_led);
        self.visit_pages = self.visit_pages.saturating_add(1);
        self.read_page(hash);
        self.page_count = self.page_count.saturating_add(1);
    }

    /// The latest page was answered by a redirect. Only every other page can be one that a redirect led to: who asks
    /// for nothing but redirects is counted still.
    pub(crate) fn redirected(&mut self) {
        if self.redirect == 0 {
            self.redirect = 1;
        }
    }

    /// Where the client goes: the same page again, back and forth, or through the whole site.
    fn read_page(&mut self, hash: u64) {
        let page = page_of(hash);
        if self.page_count > 0 {
            let again = one_if(page == self.last_page);
            let back = one_if(page != self.last_page && page == self.previous_page && self.page_count > 1);
            self.repeat = moving_mean(self.repeat, again, self.page_count, VISIT_WINDOW);
            self.back = moving_mean(self.back, back, self.page_count, VISIT_WINDOW);
        }
        self.previous_page = self.last_page;
        self.last_page = page;
        if let Some(bucket) = self.histogram.get_mut((hash % 16) as usize) {
            *bucket = bucket.saturating_add(1);
            if *bucket == u8::MAX {
                self.histogram.iter_mut().for_each(|count| *count /= 2);
            }
        }
    }

    fn page_event(&mut self, now_ms: u64) {
        if self.event_ms != 0 {
            let since = now_ms.saturating_sub(self.event_ms);
            let gap = since as f32 / 1000.0;
            let mean = moving_mean(self.gap_mean, gap, self.gaps, TIMING_WINDOW);
            let spread = (gap - self.gap_mean) * (gap - mean);
            self.gap_variance = moving_mean(self.gap_variance, spread, self.gaps, TIMING_WINDOW).max(0.0);
            self.gap_mean = mean;
            self.fast = moving_mean(self.fast, libm::expf(-gap / FAST_GAP_S), self.gaps + 1, TIMING_WINDOW);
            self.gaps = self.gaps.saturating_add(1);
        }
        self.event_ms = now_ms;
    }
}
