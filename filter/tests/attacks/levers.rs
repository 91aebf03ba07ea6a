//! The levers: what an attacker may choose about itself, and what a choice costs.

use std::fmt;

/// What a lever costs, which says how far it may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Price {
    /// Nothing, and the attacker stays behind its address: no more than that address's newcomers.
    Address,
    /// Nothing, and the attacker stays in its network: no more than that network's newcomers.
    Network,
    /// The behaviour of so many browsers, for minutes: no more than so many times one client.
    Clients(u64),
    /// Money. Stands in the table without a bound.
    Paid,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lever {
    Agents,
    Fingerprints,
    MadeUpSessions,
    StolenSession,
    RespelledSession,
    AssetByExtension,
    AssetByParameter,
    AssetByHeader,
    AssetByIcon,
    AssetBySourceMap,
    AssetUnchanged,
    Prefixes,
    NeighboursBrowser,
    Spellings,
    CrawlerName,
    PreviewName,
    FeedName,
    WebhookName,
    WellKnown,
    SameOrigin,
    LinkedPages,
    Prefetch,
    Handshake,
    Sent,
    Evenly,
    Pauses,
    SignInFirst,
    GraduateFirst,
    GraduateAsAssets,
    WholeNetwork,
    ManyNetworks,
}

/// How many clients the one that graduates first brings up.
pub(crate) const GRADUATES: u64 = 10;

impl Lever {
    pub(crate) const ALL: [Self; 31] = [
        Self::Agents,
        Self::Fingerprints,
        Self::MadeUpSessions,
        Self::StolenSession,
        Self::RespelledSession,
        Self::AssetByExtension,
        Self::AssetByParameter,
        Self::AssetByHeader,
        Self::AssetByIcon,
        Self::AssetBySourceMap,
        Self::AssetUnchanged,
        Self::Prefixes,
        Self::NeighboursBrowser,
        Self::Spellings,
        Self::CrawlerName,
        Self::PreviewName,
        Self::FeedName,
        Self::WebhookName,
        Self::WellKnown,
        Self::SameOrigin,
        Self::LinkedPages,
        Self::Prefetch,
        Self::Handshake,
        Self::Sent,
        Self::Evenly,
        Self::Pauses,
        Self::SignInFirst,
        Self::GraduateFirst,
        Self::GraduateAsAssets,
        Self::WholeNetwork,
        Self::ManyNetworks,
    ];

    /// As it stands in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agents => "a new user agent each request",
            Self::Fingerprints => "a new JA4 each request",
            Self::MadeUpSessions => "a made-up session each request",
            Self::StolenSession => "a stolen session",
            Self::RespelledSession => "an own session, spelled anew each request",
            Self::AssetByExtension => "asset by extension: `/item/12/a.css`",
            Self::AssetByParameter => "asset by path parameter: `/item/12;.css`",
            Self::AssetByHeader => "asset by header: `Sec-Fetch-Dest: image`",
            Self::AssetByIcon => "asset by an icon's name: `/item/12/favicon.ico`",
            Self::AssetBySourceMap => "asset by a source map's name: `/item/12/a.js.map`",
            Self::AssetUnchanged => "every other request such an asset, with `If-None-Match`",
            Self::Prefixes => "each request from another /64 of a /48",
            Self::NeighboursBrowser => "the user agent and JA4 of a neighbour",
            Self::Spellings => "another spelling of the path each request",
            Self::CrawlerName => "a crawler's name",
            Self::PreviewName => "the name of a link preview",
            Self::FeedName => "the name of a feed reader, and a feed's: `/item/12.rss`",
            Self::WebhookName => "the name of a webhook, and its route: `/webhooks/../item/12`",
            Self::WellKnown => "a well-known path: `/.well-known/acme-challenge/../../item/12`",
            Self::SameOrigin => "`Sec-Fetch-Site: same-origin` and a referer",
            Self::LinkedPages => "forty pages at once by the links of one, with it as the referer",
            Self::Prefetch => "the same, and `Sec-Purpose: prefetch`",
            Self::Handshake => "a page as a WebSocket: `Upgrade: websocket`",
            Self::Sent => "a page by POST, with the page before as the referer",
            Self::Evenly => "no haste: evenly from the beginning",
            Self::Pauses => "four requests, then 31 minutes of silence",
            Self::SignInFirst => "sign in, accept the session, use it ten times, stop",
            Self::GraduateFirst => "graduate first: ten clients that browse for three minutes",
            Self::GraduateAsAssets => "the same, asking for images: `Sec-Fetch-Dest: image`",
            Self::WholeNetwork => "a whole IPv4 /24",
            Self::ManyNetworks => "64 /48s of an IPv6 /32",
        }
    }

    pub(crate) fn price(self) -> Price {
        match self {
            Self::Prefixes => Price::Network,
            Self::GraduateFirst | Self::GraduateAsAssets => Price::Clients(GRADUATES),
            Self::WholeNetwork | Self::ManyNetworks => Price::Paid,
            _ => Price::Address,
        }
    }
}

/// Levers, each with the share of requests that it is pulled at, in percent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix(pub(crate) Vec<(Lever, u64)>);

impl Mix {
    pub(crate) fn only(lever: Lever) -> Self {
        Self(vec![(lever, 100)])
    }

    pub(crate) fn has(&self, lever: Lever) -> bool {
        self.0.iter().any(|(other, _)| *other == lever)
    }

    /// The dearest of its levers.
    pub(crate) fn price(&self) -> Price {
        let prices = || self.0.iter().map(|(lever, _)| lever.price());
        let dear = prices().find(|price| matches!(price, Price::Paid | Price::Clients(_)));
        dear.unwrap_or(if prices().any(|price| price == Price::Network) {
            Price::Network
        } else {
            Price::Address
        })
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (lever, percent)) in self.0.iter().enumerate() {
            let before = if place == 0 { "" } else { "; " };
            write!(f, "{before}{} ({percent} %)", lever.name())?;
        }
        Ok(())
    }
}
