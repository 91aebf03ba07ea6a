//! What a site does to all its visitors, whatever kind it is.

/// A trait of a site that changes what its gate sees of everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trait {
    /// Assets come from another host: the gate sees none.
    Cdn,
    /// `Referrer-Policy: no-referrer`.
    NoReferrer,
    /// Styles and images at paths without extension.
    Extensionless,
    /// Scripts post what visitors do, to paths that look like pages.
    Telemetry,
    /// Each page opens a WebSocket.
    Socket,
    /// Each page asks for news by long polling.
    Polling,
    /// A service worker answers navigations: from the second page on only script calls arrive.
    Worker,
    /// No https.
    HttpOnly,
}

/// Traits that one site has together.
#[derive(Debug)]
pub(crate) struct Traits {
    /// As tables name them.
    pub(crate) name: &'static str,
    list: &'static [Trait],
}

impl Traits {
    /// Those that each kind of site is made with: one site for each.
    pub(crate) const ALL: [Self; 11] = {
        use Trait::{Cdn, Extensionless, HttpOnly, NoReferrer, Polling, Socket, Telemetry, Worker};
        [
            Self::new("none", &[]),
            Self::new("cdn", &[Cdn]),
            Self::new("no-referrer", &[NoReferrer]),
            Self::new("extensionless", &[Extensionless]),
            Self::new("telemetry", &[Telemetry]),
            Self::new("socket", &[Socket]),
            Self::new("polling", &[Polling]),
            Self::new("service-worker", &[Worker]),
            Self::new("http-only", &[HttpOnly]),
            Self::new("cdn, no-referrer", &[Cdn, NoReferrer]),
            Self::new("extensionless, telemetry", &[Extensionless, Telemetry]),
        ]
    };

    const fn new(name: &'static str, list: &'static [Trait]) -> Self {
        Self { name, list }
    }

    pub(crate) fn contains(&self, one: Trait) -> bool {
        self.list.contains(&one)
    }
}
