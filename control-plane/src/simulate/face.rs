//! What a visitor shows of itself: user agent, headers, JA4.

use std::borrow::Cow;

use super::agents::Role;
use super::browsers::{Browser, Browsers, Device, Engine, platform};
use super::dice::Dice;
use crate::replay::line::LoggedHeaders;

/// How the traffic reached the gate, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Https: browsers send all they have.
    Https,
    /// Plain http: no Sec-Fetch-* and Sec-CH-UA.
    Http,
    /// As access logs tell it: no headers, whole seconds.
    Log,
}

/// What a request is for, as `Sec-Fetch-Dest` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Page,
    Style,
    Script,
    Image,
    Font,
    /// By a page's script.
    Call,
}

/// Where a request comes from, as `Sec-Fetch-Site` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Nowhere,
    SameSite,
    Elsewhere,
}

/// How a visitor presents itself.
#[derive(Clone, Debug)]
pub(super) struct Face {
    pub(super) user_agent: &'static str,
    pub(super) ja4: &'static str,
    manner: Manner,
    language: &'static str,
}

/// What headers go along.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Browser {
        engine: Engine,
        fetch_metadata: bool,
        hints: bool,
    },
    /// A tool's: `Accept: */*` and little else.
    Bare,
    /// A tool's that copied a browser's Accept headers, but not what it sends to https only.
    Copied,
    /// A browser without a window, whose hints say so.
    Headless,
}

/// How a bot names itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disguise {
    /// By its own name.
    Declared,
    /// By a browser's, with a tool's headers.
    Sloppy,
    /// By a browser's, with the headers of that browser.
    Faithful,
}

const LANGUAGES: [&str; 8] = [
    "en-US,en;q=0.9",
    "en-US,en;q=0.9",
    "en-GB,en;q=0.9",
    "de-DE,de;q=0.9,en;q=0.8",
    "fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7",
    "es-ES,es;q=0.9",
    "pt-BR,pt;q=0.9,en-US;q=0.8",
    "ja,en-US;q=0.9,en;q=0.8",
];

// JA4 as observed of current clients; the first part is what core reads.
const JA4_CHROMIUM: &str = "t13d1516h2_8daaf6152771_d8a2da3f94cd";
const JA4_FIREFOX: &str = "t13d1717h2_5b57614c22b0_3cbfd9057e0d";
const JA4_SAFARI: &str = "t13d2014h2_a09f3c656075_e42f34c56612";
const JA4_TOOLS: [&str; 3] = [
    "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6",
    "t13d1812h1_85036bcba153_b26ce05bbdd6",
    "t13d1312h2_f57a46bbacb6_ab7e3b40a677",
];

impl Face {
    /// A person's browser.
    pub(super) fn person(dice: &mut Dice, device: Device) -> Self {
        Self::browser(dice, |browser| match device {
            Device::Any => true,
            Device::Desktop => !browser.mobile,
            Device::Mobile => browser.mobile,
        })
    }

    /// A Safari from before Sec-Fetch-* (16.4).
    pub(super) fn old_safari(dice: &mut Dice) -> Self {
        const OLD: [&str; 4] = [
            "Mozilla/5.0 (iPad; CPU OS 12_5_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 14_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.1.2 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6.1 Safari/605.1.15",
            "Mozilla/5.0 (iPad; CPU OS 15_8 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/15.6.6 Mobile/15E148 Safari/604.1",
        ];
        let user_agent = *dice.pick(&OLD);
        let manner = Manner::Browser { engine: Engine::Safari, fetch_metadata: false, hints: false };
        Self { user_agent, ja4: JA4_SAFARI, manner, language: *dice.pick(&LANGUAGES) }
    }

    /// The browser view of an app, an outdated phone, a rare browser: nothing that a version table would know.
    pub(super) fn rare(dice: &mut Dice) -> Self {
        const APPS: [&str; 4] = [
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 390.0.0.28.85 (iPhone14,7; iOS 18_5; en_US; en; scale=3.00; 1170x2532)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22G86 [FBAN/FBIOS;FBAV/520.0.0.38.101;FBBV/756351453;FBDV/iPhone15,2;FBMD/iPhone;FBSN/iOS]",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.31.1092",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
        ];
        const OLD: [&str; 4] = [
            "Mozilla/5.0 (Linux; U; Android 4.4.2; de-de; GT-I9505 Build/KOT49H) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
            "Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Konqueror/5.0 (like Gecko)",
            "Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18",
        ];
        let is_app = dice.chance(0.6);
        let user_agent = *dice.pick(if is_app { &APPS } else { &OLD });
        let manner = Manner::Browser { engine: Engine::Safari, fetch_metadata: is_app, hints: false };
        Self { user_agent, ja4: JA4_SAFARI, manner, language: *dice.pick(&LANGUAGES) }
    }

    /// A browser that tells as little as it can.
    pub(super) fn private(dice: &mut Dice) -> Self {
        let mut face = Self::browser(dice, |browser| !browser.mobile);
        if let Manner::Browser { hints, .. } = &mut face.manner {
            *hints = false;
        }
        face.language = "en-US,en;q=0.5";
        face
    }

    /// A bot of this role, in this disguise.
    pub(super) fn bot(dice: &mut Dice, role: Role, disguise: Disguise) -> Self {
        let tool_ja4 = *dice.pick(&JA4_TOOLS);
        if disguise == Disguise::Declared {
            let manner = if role == Role::Headless { Manner::Headless } else { Manner::Bare };
            let ja4 = if role == Role::Headless { JA4_CHROMIUM } else { tool_ja4 };
            return Self { user_agent: *dice.pick(role.names()), ja4, manner, language: "" };
        }
        let mut face = Self::person(dice, Device::Any);
        match (disguise, role) {
            (Disguise::Sloppy, Role::Headless) => face.manner = Manner::Headless,
            (Disguise::Sloppy, _) => {
                if dice.chance(0.15) {
                    face.user_agent = *dice.pick(&Browsers::known().emulated);
                }
                face.manner = if dice.chance(0.5) { Manner::Copied } else { Manner::Bare };
                face.ja4 = tool_ja4;
            }
            _ => {}
        }
        face
    }

    fn browser(dice: &mut Dice, fits: impl Fn(&Browser) -> bool) -> Self {
        let weight = |browser: &Browser| if fits(browser) { browser.weight } else { 0 };
        let browser = dice.weighted(&Browsers::known().people, weight);
        let chromium = browser.engine == Engine::Chromium;
        let ja4 = match browser.engine {
            Engine::Chromium => JA4_CHROMIUM,
            Engine::Firefox => JA4_FIREFOX,
            Engine::Safari => JA4_SAFARI,
        };
        Self {
            user_agent: browser.user_agent,
            ja4,
            manner: Manner::Browser { engine: browser.engine, fetch_metadata: true, hints: chromium },
            language: *dice.pick(&LANGUAGES),
        }
    }

    /// The headers of one request; `None` where nobody wrote them down.
    pub(super) fn headers(
        &self,
        transport: Transport,
        purpose: Purpose,
        origin: Origin,
    ) -> Option<Box<LoggedHeaders<'static>>> {
        let secure = match transport {
            Transport::Log => return None,
            Transport::Https => true,
            Transport::Http => false,
        };
        let mut headers = LoggedHeaders { secure, ..LoggedHeaders::default() };
        let engine = match self.manner {
            Manner::Browser { engine, .. } => engine,
            Manner::Headless | Manner::Copied => Engine::Chromium,
            Manner::Bare => {
                headers.accept = text("*/*");
                headers.accept_encoding = text("gzip, deflate");
                return Some(Box::new(headers));
            }
        };
        let (page, encoding) = Browsers::known().accept(engine);
        headers.accept = text(accept(purpose, page));
        headers.accept_encoding = text(if secure { encoding } else { "gzip, deflate" });
        headers.accept_language = text(self.language);
        let (metadata, hints) = match self.manner {
            Manner::Browser { fetch_metadata, hints, .. } => (fetch_metadata, hints),
            Manner::Headless => (true, true),
            Manner::Copied | Manner::Bare => (false, false),
        };
        if secure && metadata {
            (headers.sec_fetch_site, headers.sec_fetch_mode, headers.sec_fetch_dest) =
                metadata_of(purpose, origin);
        }
        if secure && hints {
            let mobile = self.user_agent.contains("Mobile");
            headers.sec_ch_ua_mobile = text(if mobile { "?1" } else { "?0" });
            headers.sec_ch_ua_platform = text(platform(self.user_agent));
            headers.sec_ch_ua = self.hint().into_bytes().into();
        }
        Some(Box::new(headers))
    }

    /// `Sec-CH-UA`; a browser without a window tells its own name there, whatever its user agent was set to.
    fn hint(&self) -> String {
        match self.manner {
            Manner::Headless => {
                r#""Chromium";v="150", "HeadlessChrome";v="150", "Not.A/Brand";v="8""#.to_owned()
            }
            _ => Browsers::known().hint(self.user_agent),
        }
    }
}

fn text(value: &'static str) -> Cow<'static, [u8]> {
    Cow::Borrowed(value.as_bytes())
}

fn accept(purpose: Purpose, page: &'static str) -> &'static str {
    match purpose {
        Purpose::Page => page,
        Purpose::Style => "text/css,*/*;q=0.1",
        Purpose::Image => "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
        Purpose::Script | Purpose::Font | Purpose::Call => "*/*",
    }
}

type Metadata = (Cow<'static, [u8]>, Cow<'static, [u8]>, Cow<'static, [u8]>);

/// Sec-Fetch-Site, -Mode and -Dest (W3C Fetch Metadata Request Headers).
fn metadata_of(purpose: Purpose, origin: Origin) -> Metadata {
    let site = match origin {
        Origin::Nowhere => "none",
        Origin::SameSite => "same-origin",
        Origin::Elsewhere => "cross-site",
    };
    let (mode, dest) = match purpose {
        Purpose::Page => ("navigate", "document"),
        Purpose::Style => ("no-cors", "style"),
        Purpose::Script => ("no-cors", "script"),
        Purpose::Image => ("no-cors", "image"),
        Purpose::Font => ("cors", "font"),
        Purpose::Call => ("cors", "empty"),
    };
    (text(site), text(mode), text(dest))
}
