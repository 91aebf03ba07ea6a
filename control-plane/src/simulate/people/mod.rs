//! People: what makes a request theirs is the pages' assets, and the time they take to read.

mod belonging;
mod landing;
mod reading;
mod returning;
mod working;

use super::Request;
use super::browsers::Device;
use super::dice::Dice;
use super::face::{Face, Transport};
use super::scenario::Scenario;
use super::site::Site;
use super::visit::{Visit, Who};

const OFFICES: u64 = 1 << 35;

/// How many visitors of a scenario share an address.
pub(super) fn household(scenario: Scenario) -> u32 {
    match scenario {
        Scenario::MobileReader => 5,
        Scenario::Office => 50,
        _ => 1,
    }
}

/// All requests of one person, in no order.
pub(super) fn visit(who: &Who, mut dice: Dice, site: &Site) -> Vec<Request> {
    let face = face(who.scenario, &mut dice);
    let transport = transport(&mut dice);
    let mut visit = Visit::new(who, dice, site, face, transport);
    // Strict browsers, extensions and privacy settings; some sites forbid the referer, too.
    visit.sends_referer = visit.dice.chance(0.94);
    let v = &mut visit;
    if household(who.scenario) > 1 {
        v.live_at(who.number / household(who.scenario), false);
    }
    match who.scenario {
        Scenario::MobileReader => reading::on_a_phone(v),
        Scenario::TabOpener => reading::in_tabs(v),
        Scenario::Office => working::in_an_office(v),
        Scenario::SinglePageApp => working::in_an_app(v),
        Scenario::SlowReader => reading::over_days(v),
        Scenario::FeedFollower => landing::from_a_feed(v),
        Scenario::AssistiveReader => reading::with_assistance(v),
        Scenario::SearchLander => landing::from_a_search(v),
        Scenario::Shopper => working::in_a_shop(v),
        Scenario::HotLinkViewer => landing::at_an_image(v),
        Scenario::Downloader => landing::at_a_file(v),
        Scenario::PrivateBrowser => {
            v.sends_referer = false;
            reading::at_a_desk(v);
        }
        Scenario::Reloader => reading::again_and_again(v),
        Scenario::Regular => reading::as_a_regular(v),
        Scenario::Searcher => working::at_the_search(v),
        Scenario::RareBrowser | Scenario::WebViewReader => landing::from_an_app(v),
        Scenario::Member => working::as_a_member(v),
        Scenario::DailyReader => returning::every_day(v),
        Scenario::WarmReturner => returning::with_a_warm_cache(v),
        Scenario::TextBrowser => reading::as_text(v),
        Scenario::Roamer => returning::under_way(v),
        Scenario::ExtensionUser => reading::with_extensions(v),
        Scenario::Prefetcher => returning::ahead(v),
        Scenario::Refresher => returning::until_it_is_there(v),
        Scenario::TabParent => returning::with_all_tabs(v),
        Scenario::AppUser => belonging::by_app(v),
        Scenario::WidgetViewer => belonging::by_a_widget(v),
        Scenario::SiteOwner => belonging::as_an_owner(v),
        Scenario::ForumMember => belonging::in_a_forum(v),
        Scenario::Participant => belonging::in_a_meeting(v),
        _ => reading::at_a_desk(v),
    }
    visit.out
}

fn face(scenario: Scenario, dice: &mut Dice) -> Face {
    match scenario {
        Scenario::MobileReader => Face::person(dice, Device::Mobile),
        Scenario::Office => office(dice),
        Scenario::DesktopReader | Scenario::TabOpener => Face::person(dice, Device::Desktop),
        Scenario::PrivateBrowser => Face::private(dice),
        Scenario::OldSafari => Face::old_safari(dice),
        Scenario::RareBrowser => Face::rare(dice),
        Scenario::WebViewReader => Face::web_view(dice),
        Scenario::Television => Face::television(dice),
        Scenario::TextBrowser => Face::text(dice),
        Scenario::AppUser => Face::app(dice),
        _ => Face::person(dice, Device::Any),
    }
}

/// One of few: the office's computers are all alike.
fn office(dice: &mut Dice) -> Face {
    let model = dice.below(12) as u64;
    Face::person(&mut Dice::new(1, OFFICES, model), Device::Desktop)
}

fn transport(dice: &mut Dice) -> Transport {
    if dice.chance(0.45) { Transport::Log } else { Transport::Https }
}
