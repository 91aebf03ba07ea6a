//! The scenarios: who visits, how many of them, and which sites.

mod bots;
mod people;

use super::site::Kind;
use bots::BOTS;
use people::PEOPLE;

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
    DailyReader,
    WarmReturner,
    WebViewReader,
    Television,
    TextBrowser,
    Roamer,
    ExtensionUser,
    Prefetcher,
    Refresher,
    TabParent,
    AppUser,
    WidgetViewer,
    SiteOwner,
    ForumMember,
    Participant,
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
    QuickScript,
    PacedScript,
    RefererCrawler,
    BareMozilla,
    OneAssetBot,
    SignupSpammer,
    SlowGuesser,
    Injector,
    FacetCrawler,
}

const COUNT: usize = PEOPLE.len() + BOTS.len();

/// What is known of a scenario besides its visitors' behaviour.
#[derive(Debug)]
pub(super) struct Cast {
    scenario: Scenario,
    name: &'static str,
    description: &'static str,
    /// Visitors at scale 1.
    pub(super) visitors: u32,
    /// The kinds of sites visited; all where empty.
    pub(super) kinds: &'static [Kind],
}

impl Cast {
    const fn new(
        scenario: Scenario,
        name: &'static str,
        visitors: u32,
        kinds: &'static [Kind],
        description: &'static str,
    ) -> Self {
        Self { scenario, name, description, visitors, kinds }
    }

    /// That of a number: people's come first.
    const fn of(number: usize) -> &'static Self {
        if number < PEOPLE.len() { &PEOPLE[number] } else { &BOTS[number - PEOPLE.len()] }
    }
}

impl Scenario {
    /// All of them, people first.
    pub const ALL: [Self; COUNT] = {
        let mut all = [Self::DesktopReader; COUNT];
        let mut number = 0;
        while number < COUNT {
            all[number] = Cast::of(number).scenario;
            number += 1;
        }
        all
    };

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

    /// Whether it is about assets, so that nobody comes where there are none.
    pub(super) fn needs_assets(self) -> bool {
        matches!(self, Self::HotLinkViewer | Self::ImageScraper)
    }

    pub(super) fn cast(self) -> &'static Cast {
        Cast::of(self as usize)
    }
}
