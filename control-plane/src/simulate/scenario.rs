//! The scenarios: who visits, how many of them, and which sites.

use super::site::Kind;

/// A kind of visitor; wholly people or wholly bots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described by `Scenario::description`")]
pub enum Scenario {
    DesktopReader,
    MobileReader,
    TabOpener,
    Office,
    SinglePageApp,
    SlowReader,
    FeedFollower,
    AssistiveReader,
    SearchLander,
    Shopper,
    HotLinkViewer,
    Downloader,
    PrivateBrowser,
    OldSafari,
    Reloader,
    Regular,
    Searcher,
    RareBrowser,
    Member,
    FixedScraper,
    JitteredScraper,
    HeadlessBrowser,
    RotatingAgents,
    AiCrawler,
    Scanner,
    CredentialStuffer,
    Flood,
    LowAndSlow,
    FormSpammer,
    SearchCrawler,
    UptimeMonitor,
    FeedFetcher,
    ApiHarvester,
    ImageScraper,
    LinkChecker,
    SiteCopier,
    OneShot,
    PreviewFetcher,
    BulkDownloader,
}

/// What is known of a scenario besides its visitors' behaviour.
pub(super) struct Cast {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    /// Visitors at scale 1.
    pub(super) visitors: u32,
    /// The sites visited; all where empty.
    pub(super) kinds: &'static [Kind],
}

impl Scenario {
    /// All of them, people first.
    pub const ALL: [Self; 39] = [
        Self::DesktopReader,
        Self::MobileReader,
        Self::TabOpener,
        Self::Office,
        Self::SinglePageApp,
        Self::SlowReader,
        Self::FeedFollower,
        Self::AssistiveReader,
        Self::SearchLander,
        Self::Shopper,
        Self::HotLinkViewer,
        Self::Downloader,
        Self::PrivateBrowser,
        Self::OldSafari,
        Self::Reloader,
        Self::Regular,
        Self::Searcher,
        Self::RareBrowser,
        Self::Member,
        Self::FixedScraper,
        Self::JitteredScraper,
        Self::HeadlessBrowser,
        Self::RotatingAgents,
        Self::AiCrawler,
        Self::Scanner,
        Self::CredentialStuffer,
        Self::Flood,
        Self::LowAndSlow,
        Self::FormSpammer,
        Self::SearchCrawler,
        Self::UptimeMonitor,
        Self::FeedFetcher,
        Self::ApiHarvester,
        Self::ImageScraper,
        Self::LinkChecker,
        Self::SiteCopier,
        Self::OneShot,
        Self::PreviewFetcher,
        Self::BulkDownloader,
    ];

    /// In kebab-case.
    pub fn name(self) -> &'static str {
        self.cast().name
    }

    /// The scenario of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// One line.
    pub fn description(self) -> &'static str {
        self.cast().description
    }

    /// Whether its visitors are bots.
    pub fn is_bot(self) -> bool {
        self >= Self::FixedScraper
    }

    pub(super) fn cast(self) -> Cast {
        use Kind::{App, Blog, Docs, Files, Shop, Wiki};
        const READ: &[Kind] = &[Blog, Docs, Wiki, Shop, Files];
        let (name, visitors, kinds, description): (_, _, &[Kind], _) = match self {
            Self::DesktopReader => {
                ("desktop-reader", 300, READ, "reads a few pages at a desk, each with what it loads")
            }
            Self::MobileReader => {
                ("mobile-reader", 260, READ, "reads on a phone, forth and back, behind a carrier's address")
            }
            Self::TabOpener => {
                ("tab-opener", 40, READ, "opens several links at once in tabs, then reads them")
            }
            Self::Office => {
                ("office", 200, &[], "200 people behind one address, all with the same few browsers")
            }
            Self::SinglePageApp => {
                ("single-page-app", 30, &[App], "keeps an app open that asks its API every few seconds")
            }
            Self::SlowReader => {
                ("slow-reader", 70, READ, "comes back over hours and days, most of it cached")
            }
            Self::FeedFollower => (
                "feed-follower",
                110,
                &[Blog, Docs],
                "a person's browser, sent by a feed reader or mail: no referer",
            ),
            Self::AssistiveReader => (
                "assistive-reader",
                60,
                READ,
                "reads by screen reader or keyboard, some without images or scripts",
            ),
            Self::SearchLander => {
                ("search-lander", 480, READ, "comes from a search, reads one page and is gone")
            }
            Self::Shopper => {
                ("shopper", 70, &[Shop], "browses a shop and signs in, now and then with a mistyped password")
            }
            Self::HotLinkViewer => (
                "hot-link-viewer",
                520,
                &[Blog, Wiki, Files],
                "sees one image or file that another site shows",
            ),
            Self::Downloader => (
                "downloader",
                140,
                &[Files, Docs],
                "a person who fetches one file or a few, often by a direct link",
            ),
            Self::PrivateBrowser => {
                ("private-browser", 90, READ, "a browser that sends no referer and hides what it can")
            }
            Self::OldSafari => ("old-safari", 50, READ, "an old Safari, which sends no Sec-Fetch headers"),
            Self::Reloader => ("reloader", 60, READ, "reloads the same page again and again to see news"),
            Self::Regular => {
                ("regular", 90, READ, "knows the site: goes to a few pages, everything shared cached")
            }
            Self::Searcher => {
                ("searcher", 50, &[Shop, Wiki, Docs], "searches the site and opens what is found")
            }
            Self::RareBrowser => (
                "rare-browser",
                300,
                READ,
                "the browser view of an app, an old phone or a rare browser, by whose name little is known",
            ),
            Self::Member => (
                "member",
                120,
                &[Shop, Wiki, App],
                "goes straight to the sign-in, everything cached, and mistypes the password now and then",
            ),
            Self::FixedScraper => ("fixed-scraper", 70, READ, "fetches page after page at a fixed interval"),
            Self::JitteredScraper => {
                ("jittered-scraper", 100, READ, "fetches page after page at an interval made irregular")
            }
            Self::HeadlessBrowser => {
                ("headless-browser", 44, &[], "a scripted browser that loads assets and follows links")
            }
            Self::RotatingAgents => {
                ("rotating-agents", 6, READ, "one address that changes its user agent every few requests")
            }
            Self::AiCrawler => (
                "ai-crawler",
                30,
                READ,
                "takes whole sites quickly, several pages at once, from a few addresses",
            ),
            Self::Scanner => ("scanner", 150, &[], "tries paths that leak secrets or have holes"),
            Self::CredentialStuffer => {
                ("credential-stuffer", 36, &[Shop, Wiki, App], "tries stolen passwords at the sign-in")
            }
            Self::Flood => ("flood", 8, &[], "hundreds of requests at once for a page or a few"),
            Self::LowAndSlow => {
                ("low-and-slow", 7, READ, "a crawl spread over many addresses, a few pages from each")
            }
            Self::FormSpammer => {
                ("form-spammer", 80, &[Blog, Wiki], "posts to comment forms seconds after fetching them")
            }
            Self::SearchCrawler => (
                "search-crawler",
                50,
                &[],
                "a search engine's crawler, minutes between pages, many addresses",
            ),
            Self::UptimeMonitor => ("uptime-monitor", 44, &[], "asks for the same page every minute or few"),
            Self::FeedFetcher => ("feed-fetcher", 70, &[Blog, Docs], "fetches a feed once or more an hour"),
            Self::ApiHarvester => ("api-harvester", 30, &[App, Shop], "walks through an API page by page"),
            Self::ImageScraper => {
                ("image-scraper", 24, &[Blog, Shop, Wiki], "fetches images by the dozen, no pages")
            }
            Self::LinkChecker => {
                ("link-checker", 24, READ, "asks for the heads of all pages that are linked")
            }
            Self::SiteCopier => {
                ("site-copier", 12, READ, "copies pages with their assets, one after the other")
            }
            Self::OneShot => ("one-shot", 900, &[], "a single fetch, or the same again after a redirect"),
            Self::PreviewFetcher => {
                ("preview-fetcher", 160, READ, "fetches one page, perhaps an image, to show a preview")
            }
            Self::BulkDownloader => {
                ("bulk-downloader", 50, &[Files], "fetches one data file after the other")
            }
        };
        Cast { name, description, visitors, kinds }
    }
}
