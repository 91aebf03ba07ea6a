//! What a request is for, and what a browser sends with it.
//!
//! Recorded from Chromium 156.0.8078.108 (Debian 12) that showed a page over https which did all of this once without and
//! once with `Referrer-Policy: no-referrer`; the test below holds the record. What Firefox and Safari leave out otherwise
//! is not told here.

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

impl Purpose {
    /// What Chromium sends.
    pub(super) fn sent(self) -> Sent {
        use Accepts::{Page, Said, Unsaid};
        use NamesOrigin::{Across, Always, Never, UnlessSecret};
        const IMAGES: &str = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8";
        const ANY: Accepts = Said("*/*");
        let (accepts, mode, dest, origin) = match self {
            Self::Page | Self::Speculation => (Page, "navigate", "document", Never),
            Self::Form => (Page, "navigate", "document", UnlessSecret),
            Self::Style => (Said("text/css,*/*;q=0.1"), "no-cors", "style", Never),
            Self::Script => (ANY, "no-cors", "script", Never),
            Self::Image => (Said(IMAGES), "no-cors", "image", Never),
            Self::Font => (ANY, "cors", "font", Always),
            Self::Manifest => (ANY, "cors", "manifest", Across),
            Self::Worker => (ANY, "same-origin", "serviceworker", Never),
            Self::Call => (ANY, "cors", "empty", Across),
            Self::Post | Self::Preflight => (ANY, "cors", "empty", Always),
            Self::Beacon => (ANY, "no-cors", "empty", Always),
            Self::Stream => (Said("text/event-stream"), "cors", "empty", Across),
            Self::Handshake | Self::Report => (Unsaid, "", "", Always),
            Self::Prefetch => (Page, "no-cors", "empty", Never),
        };
        let is_bare = matches!(self, Self::Handshake | Self::Report);
        let is_ahead = matches!(self, Self::Prefetch | Self::Speculation);
        Sent {
            accepts,
            fetch: (!is_bare).then_some((mode, dest)),
            hints: !is_bare && !matches!(self, Self::Worker | Self::Preflight),
            origin,
            referer: !is_bare,
            sec_purpose: if is_ahead { "prefetch" } else { "" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Purpose; method, `Accept` (`page` for a page's), `Sec-Fetch-Mode`, `-Dest`, whether there is `Sec-CH-UA`, `Origin`,
    /// `Referer`; `Sec-Purpose`. `-`: no such header. Same origin but for the preflight.
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

    #[test]
    fn each_purpose_sends_what_chromium_156_was_seen_to_send() {
        for (purpose, seen) in CHROMIUM_156 {
            let sent = purpose.sent();
            let accept = match sent.accepts {
                Accepts::Unsaid => "-",
                Accepts::Page => "page",
                Accepts::Said(images) if images.starts_with("image/") => "image",
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
            let told = [accept, mode, dest, hints, origin, referer, ahead].join(" ");
            assert_eq!(told, seen, "{purpose:?}");
        }
    }
}
