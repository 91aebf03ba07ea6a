//! One attacker and its levers: what it chooses about itself with each request.

use super::site::{Ask, CHROME, Purpose, Site};

/// What an attacker chooses about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lever {
    Honest,
    UserAgent,
    Ja4,
    MadeUpSession,
    StolenSession,
    RespelledSession,
    AssetByExtension,
    AssetByParameter,
    AssetByHeader,
    Networks64,
    Spelling,
    CrawlerName,
    CrossSite,
    Silence,
    AcceptedBetween,
    Mix,
    GraduateFirst,
    Networks24,
    Networks48,
}

impl Lever {
    pub(crate) const ALL: [(Lever, &str); 19] = [
        (Lever::Honest, "as it is"),
        (Lever::UserAgent, "another user agent each time"),
        (Lever::Ja4, "another JA4 each time"),
        (Lever::MadeUpSession, "a made-up session each time"),
        (Lever::StolenSession, "a session of somebody else"),
        (Lever::RespelledSession, "the same, spelled anew each time"),
        (Lever::AssetByExtension, "as an asset, by its name"),
        (Lever::AssetByParameter, "as an asset, by a path parameter"),
        (Lever::AssetByHeader, "as an image, by its headers"),
        (Lever::Networks64, "another /64 of a /48 each time"),
        (Lever::Spelling, "another spelling of the path"),
        (Lever::CrawlerName, "a crawler's name"),
        (Lever::CrossSite, "as if another site brought it along"),
        (Lever::Silence, "four, then 31 minutes of silence"),
        (Lever::AcceptedBetween, "a right password before each wrong one"),
        (Lever::Mix, "the worst mix of a random search"),
        (Lever::GraduateFirst, "proves itself under 40 names first"),
        (Lever::Networks24, "another IPv4 /24 each time (paid for)"),
        (Lever::Networks48, "another /48 of a /32 each time (paid for)"),
    ];

    /// Whether it costs nothing, and has no bound of its own.
    pub(crate) fn is_free(self) -> bool {
        !matches!(self, Lever::GraduateFirst | Lever::Networks24 | Lever::Networks48)
    }
}

/// The levers of a mix, each used or not.
pub(crate) type Hand = Vec<Lever>;

/// Applies a lever to the attacker's request number `at`.
pub(crate) fn pull(lever: Lever, ask: &mut Ask, at: u32) {
    match lever {
        Lever::UserAgent => ask.user_agent = CHROME.replace("143.0.0", &format!("143.0.{at}")),
        Lever::Ja4 => ask.ja4 = format!("t13d1516h2_{at:012x}_b186095e22b6"),
        Lever::MadeUpSession => ask.session = format!("made-up-{at}"),
        Lever::StolenSession => ask.session = "s-1".into(),
        Lever::RespelledSession => {
            let spelled = ["s-1", "\"s-1\"", "%73-1", "s%2d1", "s%2D1", "%73%2d1"];
            ask.session = spelled[at as usize % spelled.len()].into();
        }
        Lever::AssetByExtension if ask.purpose != Purpose::Api => ask.path += "/a.css",
        Lever::AssetByExtension => ask.path += ".css",
        Lever::AssetByParameter => ask.path += ";a.css",
        Lever::AssetByHeader => ask.as_image = true,
        Lever::Networks64 => ask.address = format!("[2001:db8:7:{:x}::1]:1", at % 0xffff),
        Lever::Spelling => {
            let path = &ask.path;
            ask.path = match at % 4 {
                0 => format!("{path}/"),
                1 => path.to_ascii_uppercase(),
                2 => format!("/{path}"),
                _ => path.replace('l', "%6c"),
            };
        }
        Lever::CrawlerName => {
            let names = ["Googlebot/2.1", "bingbot/2.0", "GPTBot/1.2", "Applebot/0.1", "YandexBot/3.0"];
            ask.user_agent = format!("Mozilla/5.0 (compatible; {})", names[at as usize % names.len()]);
        }
        Lever::CrossSite => ask.cross_site = true,
        Lever::Networks24 => {
            ask.address = format!("{}.{}.{}.1:1", 11 + at / 65_536, at / 256 % 256, at % 256)
        }
        Lever::Networks48 => ask.address = format!("[2001:db8:{:x}::1]:1", at % 0xffff),
        Lever::Honest | Lever::Silence | Lever::AcceptedBetween | Lever::Mix | Lever::GraduateFirst => {}
    }
}

/// A visitor elsewhere signs in, browses and proves itself: its session is `s-1`.
pub(crate) fn victim(site: &mut Site) {
    let address = "198.51.100.200:1";
    site.ask(&Ask::new(address, "/login", Purpose::SignIn(true)));
    browse_a_while(site, &Ask { session: "s-1".into(), ..Ask::new(address, "/", Purpose::Page) });
}

/// Four pages with what they load, over a minute and a half: as a browser that proves itself.
pub(crate) fn browse_a_while(site: &mut Site, who: &Ask) {
    for page in 0..5 {
        site.ask(&Ask { path: format!("/item/{page}"), within: page > 0, ..who.clone() });
        for asset in 0..4 {
            let path = format!("/assets/{asset}.css");
            site.ask(&Ask { path, purpose: Purpose::Asset, within: true, ..who.clone() });
        }
        site.pass_ms(20_000);
    }
}
