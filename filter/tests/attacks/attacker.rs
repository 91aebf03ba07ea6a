//! An attacker: what its levers make of a request before it is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::dice::Dice;
use crate::goals::Goal;
use crate::levers::{GRADUATES, Lever, Mix};
use crate::neighbours::browser_next_to_it;
use crate::site::{Password, Served, Site};
use crate::visitor::{Ask, Browser, ORIGIN};
use crate::world::{World, read_page};

/// How long it prepares itself, in milliseconds: the run begins after it.
pub(crate) const PREPARED_MS: u64 = 180_000;

/// Of a session that it signed in for it makes so many requests.
const USES: u64 = 10;

pub(crate) struct Attacker {
    mix: Mix,
    dice: Dice,
    graduates: Vec<Browser>,
    session: String,
    stolen: String,
}

impl Attacker {
    pub(crate) fn new(mix: Mix, seed: u64) -> Self {
        let graduates = (0..GRADUATES).map(|n| Browser::chrome("windows", 140 + n % 5, &format!("0.{n}.0")));
        Self {
            mix,
            dice: Dice::new(seed),
            graduates: graduates.collect(),
            session: String::new(),
            stolen: String::new(),
        }
    }

    /// Where it sits where no lever says otherwise.
    pub(crate) fn home(&self) -> IpAddr {
        let is_v6 = [Lever::Prefixes, Lever::ManyNetworks].into_iter().any(|lever| self.mix.has(lever));
        if is_v6 { v6(0x7, 5, 7) } else { Ipv4Addr::new(203, 0, 113, 7).into() }
    }

    /// Somebody else in its network.
    pub(crate) fn next_door(&self) -> IpAddr {
        if self.home().is_ipv6() { v6(0x7, 0xffff, 9) } else { Ipv4Addr::new(203, 0, 113, 99).into() }
    }

    /// Whether it makes itself look like the one beside it.
    pub(crate) fn looks_like_a_neighbour(&self) -> bool {
        self.mix.has(Lever::NeighboursBrowser)
    }

    /// The browser that it claims to be.
    pub(crate) fn browser(&self) -> Browser {
        Browser::chrome("linux", 143, "0.0.0")
    }

    /// When the attempt with this number comes, which is due at `due_ms` in haste and at `evenly_ms` without; all three in
    /// milliseconds after the beginning of the run.
    pub(crate) fn time_ms(&self, number: u64, due_ms: u64, evenly_ms: u64) -> u64 {
        if self.mix.has(Lever::Pauses) {
            number / 4 * 31 * 60_000 + number % 4 * 2_500
        } else if self.mix.has(Lever::Evenly) {
            evenly_ms
        } else {
            due_ms
        }
    }

    /// What it does before its run.
    pub(crate) fn prepare(&mut self, world: &mut World, now_ms: u64) {
        let second = now_ms / 1_000;
        let graduates =
            [Lever::GraduateFirst, Lever::GraduateAsAssets].into_iter().any(|lever| self.mix.has(lever));
        if graduates && now_ms.is_multiple_of(1_000) {
            let browser = &self.graduates[(second % GRADUATES) as usize];
            read_page(world, self.home(), browser, second / GRADUATES, "");
        }
        if self.mix.has(Lever::RespelledSession) && self.session.is_empty() {
            self.sign_in(world);
        }
        if self.mix.has(Lever::StolenSession) && now_ms.is_multiple_of(9_000) {
            let (address, browser) = (Ipv4Addr::new(198, 18, 0, 1).into(), Browser::firefox(144));
            if self.stolen.is_empty() {
                let outcome = world.send(&Ask::sign_in(address, &browser, Password::Right));
                self.stolen = outcome.session().unwrap_or_default().to_owned();
            }
            read_page(world, address, &browser, second / 9, &self.stolen);
        }
    }

    /// Pulls the levers for the attempt with this number.
    pub(crate) fn dress(&mut self, world: &mut World, number: u64, ask: &mut Ask) {
        for (lever, percent) in self.mix.0.clone() {
            if percent >= 100 || self.dice.chance(percent) {
                self.pull(lever, world, number, ask);
            }
        }
    }

    fn pull(&mut self, lever: Lever, world: &mut World, number: u64, ask: &mut Ask) {
        match lever {
            Lever::Agents => {
                let (version, build) = (self.dice.between(140, 145), self.dice.between(0, 1 << 40));
                let ja4 = std::mem::take(&mut ask.browser.ja4);
                ask.browser =
                    Browser::chrome("linux", version, &format!("0.{}.{}", build >> 20, build & 0xf_ffff));
                ask.browser.ja4 = ja4;
            }
            Lever::Fingerprints => {
                let (one, other) = (self.dice.below(1 << 48), self.dice.below(1 << 48));
                ask.browser.ja4 = format!("t13d1516h2_{one:012x}_{other:012x}");
            }
            Lever::MadeUpSessions => ask.cookie = format!("sid=s{:016x}", self.dice.next()),
            Lever::StolenSession => ask.cookie = format!("sid={}", self.stolen),
            Lever::RespelledSession => ask.cookie = respelled_session(&self.session, number),
            Lever::AssetByExtension => ask.path += "/a.css",
            Lever::AssetByParameter => ask.path += ";.css",
            Lever::AssetByHeader => claim_image(ask),
            Lever::AssetByIcon => ask.path += "/favicon.ico",
            Lever::AssetBySourceMap => ask.path += "/a.js.map",
            Lever::AssetUnchanged if number.is_multiple_of(2) => {
                claim_image(ask);
                ask.is_conditional = true;
            }
            Lever::AssetUnchanged => {}
            Lever::Prefixes => ask.address = v6(0x7, number as u16, 7),
            Lever::NeighboursBrowser => ask.browser = browser_next_to_it(),
            Lever::Spellings => ask.path = respelled_path(&ask.path, number),
            Lever::CrawlerName => {
                call(ask, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)");
            }
            Lever::PreviewName => call(ask, "WhatsApp/2.24.20.89 A"),
            Lever::FeedName => {
                call(ask, "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 12 subscribers)");
                ask.path += ".rss";
            }
            Lever::WebhookName => {
                call(ask, "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
                ask.path = format!("/webhooks/..{}", ask.path);
            }
            Lever::WellKnown => ask.path = format!("/.well-known/acme-challenge/../..{}", ask.path),
            Lever::SameOrigin => {
                ask.fetch_site = "same-origin";
                ask.referer = format!("{ORIGIN}/");
            }
            Lever::LinkedPages => {
                ask.fetch_site = "same-origin";
                ask.referer = format!("{ORIGIN}/item/{}", number / 40 * 40);
            }
            Lever::Prefetch => {
                self.pull(Lever::LinkedPages, world, number, ask);
                ask.extra = ("sec-purpose", "prefetch");
            }
            Lever::Handshake => ask.extra = ("upgrade", "websocket"),
            Lever::Sent if ask.path.starts_with("/item/") => {
                ask.method = "POST";
                ask.fetch_site = "same-origin";
                ask.referer = format!("{ORIGIN}/item/{}", number.saturating_sub(1));
            }
            Lever::Sent => {}
            Lever::Evenly | Lever::Pauses => {}
            Lever::SignInFirst => {
                if number.is_multiple_of(USES) {
                    self.session.clear();
                    self.sign_in(world);
                }
                if !self.session.is_empty() {
                    ask.cookie = format!("sid={}", self.session);
                }
            }
            Lever::GraduateFirst => ask.browser = self.graduates[(number % GRADUATES) as usize].clone(),
            Lever::GraduateAsAssets => {
                self.pull(Lever::GraduateFirst, world, number, ask);
                claim_image(ask);
            }
            Lever::WholeNetwork => ask.address = Ipv4Addr::new(203, 0, 113, number as u8).into(),
            Lever::ManyNetworks => ask.address = v6((number % 64) as u16, 0, 7),
        }
    }

    /// Signs in with an account of its own.
    fn sign_in(&mut self, world: &mut World) {
        let outcome = world.send(&Ask::sign_in(self.home(), &self.browser(), Password::Right));
        if let Some(session) = outcome.session() {
            session.clone_into(&mut self.session);
        }
    }
}

fn claim_image(ask: &mut Ask) {
    ask.accept = "image/avif,image/webp,*/*;q=0.8";
    (ask.fetch_mode, ask.fetch_dest) = ("no-cors", "image");
}

fn v6(network: u16, prefix: u16, host: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, network, prefix, 0, 0, 0, host).into()
}

/// The same path to most sites.
fn respelled_path(path: &str, number: u64) -> String {
    let rest = path.get(2..).unwrap_or_default();
    let first = path.as_bytes().get(1).copied().unwrap_or(b'/');
    match number % 8 {
        0 => format!("/{path}"),
        1 => format!("/.{path}"),
        2 => format!("/%{first:02x}{rest}"),
        3 => format!("/{}{rest}", char::from(first.to_ascii_uppercase())),
        4 => format!("{path}/;v={number}"),
        5 => format!("{path}.json"),
        6 => format!("{path}/{number}"),
        _ => format!("/x{number}/..{path}"),
    }
}

/// The same cookie to many sites.
fn respelled_session(token: &str, number: u64) -> String {
    let at = number as usize % token.len().max(1);
    let (before, after) = token.split_at_checked(at).unwrap_or_default();
    match number % 4 {
        0 => format!("sid=\"{token}\""),
        1 => format!("sid={token}.{number}"),
        2 => {
            let escaped = after.bytes().next().map(|byte| format!("%{byte:02X}")).unwrap_or_default();
            format!("sid={before}{escaped}{}", after.get(1..).unwrap_or_default())
        }
        _ => format!("a={number}; sid={before} {after}"),
    }
}

/// Calls the visitor a program, which sends no more than such a one does.
fn call(ask: &mut Ask, name: &str) {
    ask.browser.agent = name.to_owned();
    (ask.browser.hints, ask.browser.platform) = (String::new(), "");
    (ask.fetch_site, ask.fetch_mode, ask.fetch_dest) = ("", "", "");
}

#[test]
fn no_lever_keeps_an_attacker_from_its_goal() {
    for lever in Lever::ALL {
        for goal in Goal::ALL.into_iter().filter(|goal| *goal != Goal::Neighbours) {
            let (mut world, mut site) = (World::new(), Site::default());
            let mut attacker = Attacker::new(Mix::only(lever), 1);
            for number in 0..24 {
                let mut ask = goal.ask(number, &attacker);
                attacker.dress(&mut world, number, &mut ask);
                let served = site.answer(ask.sent(), &ask.path).served;
                assert!(
                    goal.is_served(served) || served == Served::Unchanged,
                    "{lever:?}, {goal:?}: {served:?} for {}",
                    ask.path
                );
            }
        }
    }
}

#[test]
fn levers_change_what_they_are_named_for() {
    let mut world = World::new();
    let mut pull = |lever| {
        let mut attacker = Attacker::new(Mix::only(lever), 1);
        attacker.prepare(&mut world, 0);
        let mut asks = [0, 1].map(|number| Goal::Read.ask(number, &attacker));
        asks.iter_mut().zip(0..).for_each(|(ask, number)| attacker.dress(&mut world, number, ask));
        asks
    };
    type Read = fn(&Ask) -> String;
    let new_each_time: [(Lever, Read); 5] = [
        (Lever::Agents, |ask| ask.browser.agent.clone()),
        (Lever::Fingerprints, |ask| ask.browser.ja4.clone()),
        (Lever::MadeUpSessions, |ask| ask.cookie.clone()),
        (Lever::RespelledSession, |ask| ask.cookie.clone()),
        (Lever::Prefixes, |ask| ask.address.to_string()),
    ];
    for (lever, read) in new_each_time {
        let [one, other] = pull(lever).map(|ask| read(&ask));
        assert!(!one.is_empty() && one != other, "{lever:?}: {one}, {other}");
    }
    for lever in [Lever::StolenSession, Lever::SignInFirst] {
        let [one, other] = pull(lever).map(|ask| ask.cookie);
        assert!(one.len() > "sid=".len() && one == other, "{lever:?}: {one}, {other}");
    }
}
