//! What a browser does by itself: it opens pages, loads what they need, and runs their scripts.

use super::face::Transport;
use super::purpose::Purpose;
use super::site::{Asset, Trait};
use super::visit::{Ask, From, Visit};

/// Paths that telemetry is posted to.
const COLLECTORS: [&str; 4] = ["/collect", "/t/e", "/g/collect", "/rum/v2"];

impl Visit<'_> {
    /// Goes to a page and shows it; where its address moved, by way of the redirect.
    pub(super) fn open(&mut self, page: usize, from: From) {
        let path = self.site.pages[page].path.clone();
        if self.has_worker {
            self.show(page);
            let content = format!("/content/{page}");
            self.send(Ask::get(content, From::Link).to(Purpose::Call));
            return;
        }
        if self.site.redirects && page == 0 && self.here.is_empty() && self.dice.chance(0.5) {
            let moved = Ask::get(path.clone(), from.clone()).answered(301).leading_to(self.site.url(&path));
            self.send(moved);
            let delay = self.dice.real(0.03, 0.4);
            self.wait(delay);
        }
        self.send(Ask::get(path.clone(), from));
        self.show(page);
    }

    /// Shows a page without asking for it.
    pub(super) fn show(&mut self, page: usize) {
        self.here = self.site.url(&self.site.pages[page].path);
        self.page = page;
    }

    /// Loads what the shown page needs and is not cached; `share` of it, where some is blocked or fails.
    pub(super) fn load(&mut self, share: f64) {
        let site = self.site;
        let latency = self.dice.log_normal(0.25, 0.6);
        let page = &site.pages[self.page];
        let mut at_ms = self.now_ms + (1000.0 * latency) as u64;
        for asset in site.shared.iter().chain(&page.images) {
            if !self.dice.chance(share) {
                continue;
            }
            if let Some(status) = self.fetched(asset) {
                let ask = Ask::get(asset.path.clone(), From::Link).to(asset.purpose).answered(status);
                self.send_at(at_ms, ask);
            }
            let pause_ms = if self.dice.chance(0.7) { 40 } else { 400 };
            at_ms += self.dice.below(pause_ms) as u64;
        }
        if self.dice.chance(0.6 * share) && self.cached.insert("icon".to_owned()) {
            // Many browsers ask for the icon by themselves, not for the page.
            let from = if self.dice.chance(0.6) { From::Direct } else { From::Link };
            let ask = Ask::get("/favicon.ico", from).to(Purpose::Image).answered(site.icon_status);
            self.send_at(at_ms + 100, ask);
        }
        if self.runs_scripts && share > 0.5 {
            self.run_scripts(at_ms);
        }
    }

    /// What the shown page's scripts ask for, from this time on, Unix milliseconds.
    fn run_scripts(&mut self, from_ms: u64) {
        let site = self.site;
        if site.has(Trait::Telemetry) {
            self.tell_what_happens(from_ms);
        }
        if site.has(Trait::Socket) {
            self.open_socket(from_ms);
        }
        if site.has(Trait::Polling) {
            self.poll(from_ms);
        }
        if site.has(Trait::Worker) && !self.has_worker {
            for (path, purpose) in [("/app.webmanifest", Purpose::Manifest), ("/sw.js", Purpose::Worker)] {
                self.send_at(from_ms + 300, Ask::get(path, From::Link).to(purpose));
            }
            self.has_worker = true;
        }
        // Only Chromium reports, and nothing of it is seen over plain http.
        let reports = site.wants_reports && self.transport != Transport::Http && self.dice.chance(0.3);
        if reports && self.face.user_agent.contains("Chrome/") {
            let report = Ask::get("/csp/reports", From::Link).by("POST").to(Purpose::Report);
            self.send_at(from_ms + 2_000, report.answered(204));
        }
    }

    /// Posts once the page is there, and some more while it is read.
    fn tell_what_happens(&mut self, mut at_ms: u64) {
        let path = COLLECTORS[self.site.pages.len() % COLLECTORS.len()];
        for number in 0..self.dice.between(1, 4) {
            at_ms += if number == 0 { 600 } else { self.dice.between(1_000, 12_000) as u64 };
            let purpose = if self.dice.chance(0.5) { Purpose::Beacon } else { Purpose::Post };
            self.send_at(at_ms, Ask::get(path, From::Link).by("POST").to(purpose).answered(204));
        }
    }

    /// Opens a WebSocket, once more where the line breaks.
    fn open_socket(&mut self, mut at_ms: u64) {
        for _ in 0..self.dice.geometric(1.3, 6) {
            let handshake = Ask::get("/live/socket", From::Link).to(Purpose::Handshake);
            self.send_at(at_ms + 200, handshake.answered(101));
            at_ms += self.dice.between(2_000, 60_000) as u64;
        }
    }

    /// Asks for news: at once after an answer, which comes with news or after 25 s. Some sites stream instead.
    fn poll(&mut self, mut at_ms: u64) {
        if self.site.pages.len().is_multiple_of(3) {
            let stream = Ask::get("/events", From::Link).to(Purpose::Stream);
            self.send_at(at_ms + 200, stream);
            return;
        }
        let session = self.dice.below(1 << 20);
        for number in 0..self.dice.geometric(2.5, 12) {
            let path = format!("/socket.io/?EIO=4&transport=polling&sid={session}&t={number}");
            let ask = Ask::get(path, From::Link).to(Purpose::Call);
            self.send_at(at_ms, ask.clone());
            if number == 0 {
                self.send_at(at_ms + 60, ask.by("POST").to(Purpose::Post));
            }
            at_ms += if self.dice.chance(0.6) { 25_000 } else { self.dice.between(80, 9_000) as u64 };
        }
    }

    /// Goes to a page as browsers do, with all that it loads.
    pub(super) fn read(&mut self, page: usize, from: From) {
        self.open(page, from);
        self.load(0.97);
    }

    /// Loads assets that are none of the site's own pages', unless they are cached.
    pub(super) fn fetch(&mut self, assets: &[(&str, Purpose)]) {
        let mut at_ms = self.now_ms + self.dice.between(80, 600) as u64;
        for (path, purpose) in assets {
            if self.cached.insert((*path).to_owned()) {
                self.send_at(at_ms, Ask::get(*path, From::Link).to(*purpose));
                at_ms += self.dice.below(120) as u64;
            }
        }
    }

    /// The status that an asset is answered; `None` where the browser has it and does not ask.
    fn fetched(&mut self, asset: &Asset) -> Option<u16> {
        if self.cached.contains(&asset.path) {
            let asks = self.dice.chance(self.asks_again);
            return asks.then_some(304);
        }
        if asset.status == 200 {
            self.cached.insert(asset.path.clone());
        }
        Some(asset.status)
    }

    /// As a browser that has been here before: all that pages share is cached.
    pub(super) fn knows_the_site(&mut self) {
        let site = self.site;
        self.cached.extend(site.shared.iter().map(|asset| asset.path.clone()));
        self.cached.insert("icon".to_owned());
        self.has_worker = site.has(Trait::Worker) && self.runs_scripts;
    }

    /// As a browser that has seen these pages before: their images are cached, too, and nothing is asked about.
    pub(super) fn has_seen(&mut self, pages: impl Iterator<Item = usize>) {
        let site = self.site;
        self.knows_the_site();
        self.asks_again = 0.0;
        let images = pages.flat_map(|page| &site.pages[page].images);
        self.cached.extend(images.map(|image| image.path.clone()));
    }

    /// A page that the shown one links to.
    pub(super) fn linked(&mut self) -> usize {
        let site = self.site;
        match site.pages[self.page].links.as_slice() {
            [] => 0,
            links => *self.dice.pick(links),
        }
    }

    /// Any page; the front page often, popular ones more often than others.
    pub(super) fn entry(&mut self) -> usize {
        if self.dice.chance(0.3) {
            return 0;
        }
        let most = self.dice.between(1, self.site.pages.len());
        self.dice.below(most)
    }

    /// Where visitors come from.
    pub(super) fn arrival(&mut self) -> From {
        const ELSEWHERE: [&str; 8] = [
            "https://www.google.com/",
            "https://www.google.com/",
            "https://www.google.com/",
            "https://www.bing.com/",
            "https://duckduckgo.com/",
            "https://news.aggregator.example/item?id=4411",
            "https://www.reddit.com/",
            "https://forum.example/thread/881",
        ];
        let elsewhere = *self.dice.pick(&ELSEWHERE);
        if self.dice.chance(0.6) { From::Elsewhere(elsewhere) } else { From::Direct }
    }
}
