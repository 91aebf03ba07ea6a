//! What a request is for, and what a browser sends with it.
//!
//! Recorded from Chromium 156.0.8078.108 and Firefox 153.8.0esr (Debian 12), each of which showed a page over https that does
//! all of this, once more with `Referrer-Policy: no-referrer`. The tests below hold the records. Safari's, of which
//! there is no record, are taken to be as Firefox's.

use super::browsers::Engine;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A navigation.
    Page,
    /// A navigation that sends a form.
    Form,
    Style,
    Script,
    Image,
    Font,
    Manifest,
    /// The script of a service worker.
    Worker,
    /// By a page's script, to get something.
    Call,
    /// By a page's script, to send something.
    Post,
    /// By `navigator.sendBeacon`.
    Beacon,
    /// `EventSource`.
    Stream,
    /// To open a WebSocket.
    Handshake,
    /// What is asked before a call to another origin.
    Preflight,
    /// The Reporting API.
    Report,
    /// `<link rel=prefetch>`.
    Prefetch,
    /// By speculation rules.
    Speculation,
}

/// What `Accept` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepts {
    /// No such header.
    Unsaid,
    /// What the browser accepts for a page.
    Page,
    Said(&'static str),
}

/// When a request has `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamesOrigin {
    Never,
    Always,
    /// `null` where the policy is `no-referrer`.
    UnlessSecret,
    /// Only where it goes to another origin.
    Across,
}

/// What goes along with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) accepts: Accepts,
    /// `Sec-Fetch-Mode` and `-Dest`; without them there is no `-Site` either.
    pub(super) fetch: Option<(&'static str, &'static str)>,
    /// `Sec-CH-UA` and the like.
    pub(super) hints: bool,
    pub(super) origin: NamesOrigin,
    /// Where the site's policy allows it.
    pub(super) referer: bool,
    /// `Sec-Purpose`.
    pub(super) sec_purpose: &'static str,
}

const CHROMIUM_IMAGES: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
const FIREFOX_IMAGES: &str = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5";
const FIREFOX_FONTS: &str = "application/font-woff2;q=1.0,application/font-woff;q=0.9,*/*;q=0.8";

impl Purpose {
    /// What a browser of this engine sends.
    pub(super) fn sent(self, engine: Engine) -> Sent {
        use Accepts::{Page, Said};
        use NamesOrigin::{Across, Always, Never, UnlessSecret};
        const ANY: Accepts = Said("*/*");
        let (accepts, mode, dest, origin) = match self {
            Self::Page | Self::Speculation => (Page, "navigate", "document", Never),
            Self::Form => (Page, "navigate", "document", UnlessSecret),
            Self::Style => (Said("text/css,*/*;q=0.1"), "no-cors", "style", Never),
            Self::Script => (ANY, "no-cors", "script", Never),
            Self::Image => (Said(CHROMIUM_IMAGES), "no-cors", "image", Never),
            Self::Font => (ANY, "cors", "font", Always),
            Self::Manifest => (ANY, "cors", "manifest", Across),
            Self::Worker => (ANY, "same-origin", "serviceworker", Never),
            Self::Call => (ANY, "cors", "empty", Across),
            Self::Post | Self::Preflight | Self::Report => (ANY, "cors", "empty", Always),
            Self::Beacon => (ANY, "no-cors", "empty", Always),
            Self::Stream => (Said("text/event-stream"), "cors", "empty", Across),
            Self::Handshake => (ANY, "websocket", "empty", Always),
            Self::Prefetch => (Page, "no-cors", "empty", Never),
        };
        let is_ahead = matches!(self, Self::Prefetch | Self::Speculation);
        let sent = Sent {
            accepts,
            fetch: Some((mode, dest)),
            hints: !matches!(self, Self::Worker | Self::Preflight),
            origin,
            referer: true,
            sec_purpose: if is_ahead { "prefetch" } else { "" },
        };
        if engine == Engine::Chromium { self.by_chromium(sent) } else { self.by_firefox(sent) }
    }

    /// Handshakes and reports come from the network stack, which says little of itself.
    fn by_chromium(self, sent: Sent) -> Sent {
        match self {
            Self::Handshake | Self::Report => {
                Sent { accepts: Accepts::Unsaid, fetch: None, hints: false, referer: false, ..sent }
            }
            _ => sent,
        }
    }

    fn by_firefox(self, sent: Sent) -> Sent {
        let sent = Sent { hints: false, ..sent };
        match self {
            Self::Handshake | Self::Worker => Sent { referer: false, ..sent },
            Self::Beacon => Sent { origin: NamesOrigin::UnlessSecret, ..sent },
            Self::Image => Sent { accepts: Accepts::Said(FIREFOX_IMAGES), ..sent },
            Self::Font => Sent { accepts: Accepts::Said(FIREFOX_FONTS), origin: NamesOrigin::Across, ..sent },
            _ => sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Purpose; `Accept` (`page` for a page's), `Sec-Fetch-Mode`, `-Dest`, whether there is `Sec-CH-UA`, `Origin`, `Referer`;
    // `Sec-Purpose`. `-`: no such header. All to the same origin but the preflight.
    const CHROMIUM_156: [(Purpose, &str); 17] = [
        (Purpose::Page, "page navigate document hints - referer -"),
        (Purpose::Form, "page navigate document hints origin|null referer -"),
        (Purpose::Style, "text/css,*/*;q=0.1 no-cors style hints - referer -"),
        (Purpose::Script, "*/* no-cors script hints - referer -"),
        (Purpose::Image, "image no-cors image hints - referer -"),
        (Purpose::Font, "*/* cors font hints origin referer -"),
        (Purpose::Manifest, "*/* cors manifest hints - referer -"),
        (Purpose::Worker, "*/* same-origin serviceworker - - referer -"),
        (Purpose::Call, "*/* cors empty hints - referer -"),
        (Purpose::Post, "*/* cors empty hints origin referer -"),
        (Purpose::Beacon, "*/* no-cors empty hints origin referer -"),
        (Purpose::Stream, "text/event-stream cors empty hints - referer -"),
        (Purpose::Handshake, "- - - - origin - -"),
        (Purpose::Preflight, "*/* cors empty - origin referer -"),
        (Purpose::Report, "- - - - origin - -"),
        (Purpose::Prefetch, "page no-cors empty hints - referer prefetch"),
        (Purpose::Speculation, "page navigate document hints - referer prefetch"),
    ];
    /// It knows no speculation rules, and showed no manifest.
    const FIREFOX_153: [(Purpose, &str); 15] = [
        (Purpose::Page, "page navigate document - - referer -"),
        (Purpose::Form, "page navigate document - origin|null referer -"),
        (Purpose::Style, "text/css,*/*;q=0.1 no-cors style - - referer -"),
        (Purpose::Script, "*/* no-cors script - - referer -"),
        (Purpose::Image, "image no-cors image - - referer -"),
        (Purpose::Font, "font cors font - - referer -"),
        (Purpose::Worker, "*/* same-origin serviceworker - - - -"),
        (Purpose::Call, "*/* cors empty - - referer -"),
        (Purpose::Post, "*/* cors empty - origin referer -"),
        (Purpose::Beacon, "*/* no-cors empty - origin|null referer -"),
        (Purpose::Stream, "text/event-stream cors empty - - referer -"),
        (Purpose::Handshake, "*/* websocket empty - origin - -"),
        (Purpose::Preflight, "*/* cors empty - origin referer -"),
        (Purpose::Report, "*/* cors empty - origin referer -"),
        (Purpose::Prefetch, "page no-cors empty - - referer prefetch"),
    ];

    fn told(sent: Sent) -> String {
        let accept = match sent.accepts {
            Accepts::Unsaid => "-",
            Accepts::Page => "page",
            Accepts::Said(images) if images.starts_with("image/") => "image",
            Accepts::Said(fonts) if fonts.starts_with("application/font") => "font",
            Accepts::Said(accept) => accept,
        };
        let origin = match sent.origin {
            NamesOrigin::Never | NamesOrigin::Across => "-",
            NamesOrigin::Always => "origin",
            NamesOrigin::UnlessSecret => "origin|null",
        };
        let (mode, dest) = sent.fetch.unwrap_or(("-", "-"));
        let hints = if sent.hints { "hints" } else { "-" };
        let referer = if sent.referer { "referer" } else { "-" };
        let ahead = if sent.sec_purpose.is_empty() { "-" } else { sent.sec_purpose };
        [accept, mode, dest, hints, origin, referer, ahead].join(" ")
    }

    #[test]
    fn each_purpose_sends_what_chromium_156_was_seen_to_send() {
        for (purpose, seen) in CHROMIUM_156 {
            assert_eq!(told(purpose.sent(Engine::Chromium)), seen, "{purpose:?}");
        }
    }

    #[test]
    fn each_purpose_sends_what_firefox_153_was_seen_to_send() {
        for (purpose, seen) in FIREFOX_153 {
            assert_eq!(told(purpose.sent(Engine::Firefox)), seen, "{purpose:?}");
        }
    }
}
