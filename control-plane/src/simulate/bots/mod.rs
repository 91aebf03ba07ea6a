//! Bots: what makes a request theirs is that they take pages and leave the rest, keep to a clock, try what is not
//! linked. Each kind comes under its own name, under a browser's with a tool's headers, and in a browser's full dress.

mod attacking;
mod crawling;
mod imitating;
mod polling;
mod scripted;

use super::Request;
use super::agents::Role;
use super::dice::Dice;
use super::face::{Disguise, Face, Transport};
use super::scenario::Scenario;
use super::site::Site;
use super::visit::{Visit, Who};

/// All requests of one bot, in no order.
pub(super) fn visit(who: &Who, mut dice: Dice, site: &Site) -> Vec<Request> {
    let (role, declared) = dress(who.scenario);
    let disguise = match dice.unit() {
        x if x < declared => Disguise::Declared,
        x if x < declared + 0.6 * (1.0 - declared) => Disguise::Sloppy,
        _ => Disguise::Faithful,
    };
    let face = Face::bot(&mut dice, role, disguise);
    let transport = if dice.chance(0.5) { Transport::Log } else { Transport::Https };
    let mut visit = Visit::new(who, dice, site, face, transport);
    let v = &mut visit;
    match who.scenario {
        Scenario::FixedScraper => crawling::at_a_fixed_interval(v),
        Scenario::HeadlessBrowser => scripted::in_a_browser(v),
        Scenario::RotatingAgents => scripted::under_many_names(v, disguise),
        Scenario::AiCrawler => crawling::for_a_model(v),
        Scenario::Scanner => attacking::scan(v),
        Scenario::CredentialStuffer => attacking::stuff_credentials(v),
        Scenario::Flood => attacking::flood(v),
        Scenario::LowAndSlow => crawling::low_and_slow(v),
        Scenario::FormSpammer => attacking::spam_forms(v),
        Scenario::SearchCrawler => crawling::for_a_search_engine(v),
        Scenario::UptimeMonitor => polling::watch(v),
        Scenario::FeedFetcher => polling::fetch_a_feed(v),
        Scenario::ApiHarvester => polling::harvest_an_api(v),
        Scenario::ImageScraper => crawling::for_images(v),
        Scenario::LinkChecker => crawling::for_broken_links(v),
        Scenario::SiteCopier => scripted::copy(v),
        Scenario::OneShot => polling::once(v),
        Scenario::PreviewFetcher => scripted::preview(v),
        Scenario::BulkDownloader => crawling::for_files(v),
        Scenario::QuickScript => imitating::without_thinking(v),
        Scenario::PacedScript => imitating::with_thinking(v),
        Scenario::RefererCrawler => imitating::with_a_referer(v),
        Scenario::OneAssetBot => imitating::with_one_asset(v),
        Scenario::SignupSpammer => imitating::by_form(v),
        Scenario::SlowGuesser => attacking::guess_slowly(v),
        Scenario::Injector => attacking::inject(v),
        Scenario::FacetCrawler => imitating::through_facets(v),
        _ => crawling::at_a_jittered_interval(v),
    }
    visit.out
}

/// The names a scenario's bots would go by, and the share that does.
fn dress(scenario: Scenario) -> (Role, f64) {
    match scenario {
        Scenario::HeadlessBrowser => (Role::Headless, 0.25),
        Scenario::AiCrawler => (Role::Ai, 0.55),
        Scenario::Scanner => (Role::Scanner, 0.35),
        Scenario::SearchCrawler => (Role::Search, 0.85),
        Scenario::UptimeMonitor => (Role::Monitor, 0.7),
        Scenario::FeedFetcher => (Role::Feed, 0.8),
        Scenario::ImageScraper => (Role::Images, 0.5),
        Scenario::LinkChecker => (Role::LinkChecker, 0.6),
        Scenario::SiteCopier => (Role::Copier, 0.5),
        Scenario::PreviewFetcher => (Role::Preview, 0.8),
        Scenario::OneShot => (Role::Search, 0.5),
        Scenario::QuickScript | Scenario::PacedScript => (Role::Headless, 0.15),
        Scenario::RefererCrawler => (Role::Unlisted, 0.4),
        Scenario::BareMozilla => (Role::Mozilla, 1.0),
        Scenario::OneAssetBot | Scenario::SignupSpammer | Scenario::SlowGuesser => (Role::Library, 0.1),
        Scenario::RotatingAgents | Scenario::LowAndSlow => (Role::Library, 0.1),
        _ => (Role::Library, 0.4),
    }
}
