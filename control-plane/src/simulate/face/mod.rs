//! What a visitor shows of itself: user agent, headers, JA4.

mod headers;

use super::agents::{self, Role};
use super::browsers::{Browser, Browsers, Device, Engine, engine, version};
use super::dice::Dice;

pub(super) use headers::Origin;

/// How the traffic reached the gate, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transport {
    /// Https: browsers send all they have.
    Https,
    /// Plain http: no Sec-Fetch-* and Sec-CH-UA.
    Http,
    /// As access logs tell it: no headers, whole seconds.
    Log,
}

impl Transport {
    /// As tables name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Https => "https with headers",
            Self::Http => "http with headers",
            Self::Log => "log without headers",
        }
    }
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
    /// A text browser's.
    Text,
    /// An app's on its API.
    Native,
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
        Self::named(dice, &agents::OLD_SAFARIS, false)
    }

    /// The browser view of an app, an outdated phone, a rare browser: nothing that a version table would know.
    pub(super) fn rare(dice: &mut Dice) -> Self {
        let is_app = dice.chance(0.6);
        Self::named(dice, if is_app { &agents::IN_APPS } else { &agents::OLD_BROWSERS }, is_app)
    }

    /// The view of web pages that apps of Android and iOS show.
    pub(super) fn web_view(dice: &mut Dice) -> Self {
        let is_ios = dice.chance(0.35);
        Self::named(dice, if is_ios { &agents::IN_APPS } else { &agents::WEB_VIEWS }, true)
    }

    /// A television's, a console's or a car's browser, which nobody can update.
    pub(super) fn television(dice: &mut Dice) -> Self {
        Self::named(dice, &agents::TELEVISIONS, false)
    }

    /// A text browser.
    pub(super) fn text(dice: &mut Dice) -> Self {
        let (user_agent, ja4) = (*dice.pick(&agents::TEXT_BROWSERS), *dice.pick(&JA4_TOOLS));
        Self { user_agent, ja4, manner: Manner::Text, language: "en" }
    }

    /// A site's own app on its API.
    pub(super) fn app(dice: &mut Dice) -> Self {
        let (user_agent, ja4) = (*dice.pick(&agents::NATIVE_APPS), *dice.pick(&JA4_TOOLS));
        Self { user_agent, ja4, manner: Manner::Native, language: *dice.pick(&LANGUAGES) }
    }

    /// A browser of one of these names; Chromium sends Sec-Fetch-* since 80 and hints since 89, others the former or not.
    fn named(dice: &mut Dice, names: &[&'static str], fetch_metadata: bool) -> Self {
        let user_agent = *dice.pick(names);
        let engine = engine(user_agent);
        let chromium = version(user_agent).parse().unwrap_or(0);
        let manner = Manner::Browser {
            engine,
            fetch_metadata: if engine == Engine::Chromium { chromium >= 80 } else { fetch_metadata },
            hints: engine == Engine::Chromium && chromium >= 89,
        };
        Self { user_agent, ja4: ja4(engine), manner, language: *dice.pick(&LANGUAGES) }
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
        Self {
            user_agent: browser.user_agent,
            ja4: ja4(browser.engine),
            manner: Manner::Browser { engine: browser.engine, fetch_metadata: true, hints: chromium },
            language: *dice.pick(&LANGUAGES),
        }
    }
}

fn ja4(engine: Engine) -> &'static str {
    match engine {
        Engine::Chromium => JA4_CHROMIUM,
        Engine::Firefox => JA4_FIREFOX,
        Engine::Safari => JA4_SAFARI,
    }
}
